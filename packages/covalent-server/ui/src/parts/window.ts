/** Long lists: only what can be seen of them is in the document. */

import { type RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** Rows above and below what is seen, so that scrolling finds them there. */
const SPARE = 6;

export interface Window {
  readonly element: RefObject<HTMLDivElement>;
  /** The first row that is in the document, and the one after the last. */
  readonly first: number;
  readonly last: number;
  readonly show: (index: number) => void;
}

/** Follow what is seen of `count` rows of the same height below a head of `above` pixels. */
export function useWindow(count: number, height: number, above = 0): Window {
  const element = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ top: 0, height: 600 });
  useLayoutEffect(() => {
    const box = element.current;
    if (box === null) return undefined;
    const look = (): void => {
      setSeen((before) =>
        before.top === box.scrollTop && before.height === box.clientHeight ? before : { top: box.scrollTop, height: box.clientHeight },
      );
    };
    const observer = new ResizeObserver(look);
    observer.observe(box);
    box.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      box.removeEventListener("scroll", look);
    };
  }, []);
  const first = Math.max(0, Math.min(count, Math.floor(seen.top / height) - SPARE));
  const last = Math.min(count, Math.ceil((seen.top + seen.height) / height) + SPARE);
  const show = (index: number): void => {
    const box = element.current;
    if (box === null) return;
    const top = index * height;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + height + above > box.scrollTop + box.clientHeight) box.scrollTop = top + height + above - box.clientHeight;
  };
  return { element, first, last, show };
}
