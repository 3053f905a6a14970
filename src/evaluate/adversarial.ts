/**
 * A black-box search for the worst picture near a picture: every pixel may move by at most epsilon, and only the score is seen. Signs of
 * the step are turned over in ever smaller blocks, and a turn that helps is kept (the idea of SignHunter, Al-Dujaili & O'Reilly 2020).
 * No gradient is needed, so it works on every bundle, and it says what FGSM would at best: how far one step of +-epsilon can go.
 */
import type { InputSpec } from '../ports';

export interface Search {
  /** Largest change of a pixel, grey levels of 255. */
  epsilon: number;
  /** Inferences a picture. */
  budget: number;
}

export const standardSearch: Search = { epsilon: 4, budget: 60 };

type Score = (tensor: Float32Array) => Promise<number>;

/** `tensor` moved by `epsilon` along `signs` (one a cell of a grid of `cells` x `cells`), within 0..255. */
function moved(
  tensor: Float32Array,
  signs: Int8Array,
  cells: number,
  { width, height, mean, std }: InputSpec,
  epsilon: number,
): Float32Array {
  const out = new Float32Array(tensor.length);
  const plane = width * height;
  for (let c = 0; c < 3; c++) {
    const step = epsilon / 255 / (std[c] ?? 1);
    const least = -(mean[c] ?? 0) / (std[c] ?? 1);
    const most = (1 - (mean[c] ?? 0)) / (std[c] ?? 1);
    for (let y = 0; y < height; y++) {
      const row = Math.floor((y * cells) / height) * cells;
      for (let x = 0; x < width; x++) {
        const at = c * plane + y * width + x;
        const sign = signs[row + Math.floor((x * cells) / width)] ?? 1;
        out[at] = Math.min(most, Math.max(least, (tensor[at] ?? 0) + sign * step));
      }
    }
  }
  return out;
}

/** A side: 8 px each at 256 px. Finer steps do not survive the resize of a camera's frame, so a real part could not show them. */
const cells = 32;

/** Where a search begins: everything brighter (light and broad shadows), and a chessboard (texture); models fear one or the other. */
const beginnings: readonly ((x: number, y: number) => number)[] = [() => 1, (x, y) => ((x + y) % 2 === 0 ? 1 : -1)];

/** The lowest (or `highest`) score found within the budget; never better for the model than the clean one. */
export async function worstScore(
  tensor: Float32Array,
  highest: boolean,
  score: Score,
  input: InputSpec,
  { epsilon, budget }: Search,
): Promise<number> {
  const worse = (a: number, b: number) => (highest ? a > b : a < b);
  let worst = await score(Float32Array.from(tensor));
  let left = budget - 1;
  for (const [i, begin] of beginnings.entries()) {
    const signs = new Int8Array(cells * cells).map((_, at) => begin(at % cells, Math.floor(at / cells)));
    const ask = () => score(moved(tensor, signs, cells, input, epsilon));
    const share = Math.floor(left / (beginnings.length - i));
    left -= share;
    const found = await turnSigns(signs, share, ask, worse);
    if (found !== null && worse(found, worst)) worst = found;
  }
  return worst;
}

/** Turns over ever smaller runs of signs and keeps what helps; asks `budget` times at most. Null where it may not ask at all. */
async function turnSigns(
  signs: Int8Array,
  budget: number,
  ask: () => Promise<number>,
  worse: (a: number, b: number) => boolean,
): Promise<number | null> {
  if (budget < 1) return null;
  let kept = await ask();
  let used = 1;
  for (let parts = 1; parts <= signs.length; parts *= 2) {
    const length = Math.ceil(signs.length / parts);
    for (let part = 0; part < parts; part++) {
      if (used >= budget) return kept;
      const turn = () => {
        for (let i = part * length; i < Math.min(signs.length, (part + 1) * length); i++) signs[i] = -(signs[i] ?? 1);
      };
      turn();
      const found = await ask();
      used++;
      if (worse(found, kept)) kept = found;
      else turn();
    }
  }
  return kept;
}
