/** The worker in which graphs are laid out, so that the page never waits for one. */

import { type Question, layOut } from "./layout";

export interface Asked {
  readonly ticket: number;
  readonly question: Question;
}

addEventListener("message", ({ data }: MessageEvent<Asked>) => {
  try {
    postMessage({ ticket: data.ticket, layout: layOut(data.question) });
  } catch (error) {
    postMessage({ ticket: data.ticket, error: error instanceof Error ? error.message : String(error) });
  }
});
