/** Server-sent events, read from an answer's body within limits. */
import { chunksOf } from "./requests.ts";

/** One event. `data` is empty in what only tells an id or the pause before coming again. */
export interface Frame {
  event: string;
  id: string;
  data: string;
  retryMs: number | undefined;
}

const FRAME_CHARACTERS_MAX = 32 * 1024 * 1024;

/** Yield the frames of a stream, undefined for a comment (a ping). Throw when one is too long. */
export async function* framesOf(answer: Response): AsyncGenerator<Frame | undefined> {
  let frame = empty();
  for await (const line of linesOf(answer)) {
    if (line !== "") {
      frame = read(frame, line);
      if (frame.data.length > FRAME_CHARACTERS_MAX) throw new Error("a frame is too long");
      continue;
    }
    yield isEmpty(frame) ? undefined : frame;
    frame = empty();
  }
}

/** Yield whole lines; what follows the last line end when the stream is cut is no line.
 *
 * A long line is put together once, at its end: it may come in thousands of chunks.
 */
async function* linesOf(answer: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let begun: string[] = [];
  let length = 0;
  for await (const chunk of chunksOf(answer)) {
    const [end = "", ...more] = decoder.decode(chunk, { stream: true }).split("\n");
    begun.push(end);
    length += end.length;
    for (const piece of more) {
      yield begun.join("").replace(/\r$/, "");
      begun = [piece];
      length = piece.length;
    }
    if (length > FRAME_CHARACTERS_MAX) throw new Error("a frame is too long");
  }
}

function read(frame: Frame, line: string): Frame {
  const colon = line.indexOf(":");
  const name = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  switch (name) {
    case "event":
      return { ...frame, event: value };
    case "id":
      return { ...frame, id: value };
    case "data":
      return { ...frame, data: frame.data === "" ? value : `${frame.data}\n${value}` };
    case "retry":
      return { ...frame, retryMs: /^\d+$/.test(value) ? Number(value) : undefined };
    default:
      return frame;
  }
}

function empty(): Frame {
  return { event: "message", id: "", data: "", retryMs: undefined };
}

function isEmpty(frame: Frame): boolean {
  return frame.data === "" && frame.id === "" && frame.retryMs === undefined;
}
