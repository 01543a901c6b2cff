/** The style sheet's colours, as a canvas needs them. */

import { SHAPES, type Tone } from "../parts/status";
import { type Palette } from "./drawing";

/** Read the colours that hold for an element now. */
export function readPalette(element: Element): Palette {
  // A variable that holds light-dark() is resolved only where it is used as a colour.
  const probe = document.createElement("i");
  probe.hidden = true;
  element.append(probe);
  const color = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const tones = Object.fromEntries(
    (Object.keys(SHAPES) as Tone[]).map((tone) => [tone, { strong: color(`${tone}`), soft: color(`${tone}-soft`) }]),
  ) as Palette["tones"];
  const found = {
    surface: color("surface"),
    line: color("line-strong"),
    edge: color("edge"),
    text: color("text"),
    muted: color("muted"),
    accent: color("accent"),
    tones,
    font: getComputedStyle(element).fontFamily,
  };
  probe.remove();
  return found;
}
