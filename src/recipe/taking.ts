/** Taking shots: which of the good parts become the bank, looked at by the quality gate, kept as files, and seen by the model. */
import type { Bundle } from '../bundle/manifest';
import { VerdictdError } from '../errors';
import type { Draft } from './draft';
import { type Look, oddFraming } from './look';
import type { Symmetry } from './recipe';
import { type GoodPart, oddShots, Reader, type Sample, shotFile, spread } from './shots';
import { turns, variants } from './symmetry';

export const mostShots = 16;

export interface Shot {
  name: string;
  quality: Sample['quality'];
  look: Look;
  /** What the model gave: [symmetry][tap], and after the taps its logit, where it has one. */
  copies: Float32Array[][];
}

export interface TakeOptions {
  bundle: Bundle;
  parts: readonly GoodPart[];
  /** How many become shots; null: all, up to 16. */
  shots: number | null;
  symmetry: Symmetry;
}

export interface TakeDeps {
  /** As TeachDeps. */
  embed(tensor: Float32Array): Promise<readonly Float32Array[]>;
  progress?: () => void;
  signal?: AbortSignal;
  /** Keeps the files of the shots. */
  draft: Draft;
}

/** Reads the parts of one lesson, each once. */
export class Taking {
  private readonly reader;
  private readonly said: string[] = [];

  constructor(
    private readonly options: TakeOptions,
    private readonly deps: TakeDeps,
  ) {
    this.reader = new Reader(options.bundle.manifest.input);
  }

  get warnings(): string[] {
    return [...this.reader.warnings, ...this.said];
  }

  /**
   * Shots spread evenly over the usable parts; a part that cannot be used gives its place to another. `rest`: the parts that are not
   * shots, not read yet. Throws TEACH_REFUSED where none can be used, or the model gives other than its manifest says.
   */
  async shots(): Promise<{ shots: Shot[]; rest: GoodPart[] }> {
    const { parts } = this.options;
    const wanted = this.options.shots ?? mostShots;
    let candidates = [...parts];
    const taken = new Map<GoodPart, Shot>();
    for (;;) {
      const free = candidates.filter((part) => !taken.has(part));
      const missing = wanted - taken.size;
      if (missing <= 0 || free.length === 0) break;
      for (const index of spread(free.length, missing)) {
        const part = free[index];
        if (part === undefined) continue;
        const shot = await this.take(part);
        if (shot === null) candidates = candidates.filter((other) => other !== part);
        else taken.set(part, shot);
      }
    }
    const order = parts.filter((part) => taken.has(part));
    const shots = order.flatMap((part) => taken.get(part) ?? []);
    this.check(shots, wanted);
    return { shots, rest: candidates.filter((part) => !taken.has(part)) };
  }

  /** A part that is only scored: what the model gives of it; null where it cannot be used. */
  async seen(part: GoodPart): Promise<readonly Float32Array[] | null> {
    this.deps.signal?.throwIfAborted();
    const sample = await this.reader.read(part);
    this.deps.progress?.();
    return sample === null ? null : await this.embed(sample.tensor);
  }

  private async take(part: GoodPart): Promise<Shot | null> {
    this.deps.signal?.throwIfAborted();
    const { bundle, symmetry } = this.options;
    const { input } = bundle.manifest;
    const sample = await this.reader.read(part);
    this.deps.progress?.();
    if (sample === null) return null;
    const { width, height } = sample.picture ?? input;
    if (turns(symmetry) && width !== height)
      this.said.push(
        `${part.name} is ${width} x ${height}: turned by 90 degrees it is stretched. Set a square region of interest, or use symmetry flips`,
      );
    const { bytes, extension } = shotFile(part.name, sample, input);
    void this.deps.draft.addShot(bytes, extension, part.name); // written while the model works; commit waits for it
    const { tensor, quality, look } = sample;
    const copies: Float32Array[][] = [];
    // what is embedded may be taken away, and the others are made from the first
    const needed = symmetry !== 'none';
    for (const variant of variants(tensor, input.width, symmetry))
      copies.push([...(await this.embed(needed && variant === tensor ? tensor.slice() : variant))]);
    return { name: part.name, quality, look, copies };
  }

  private check(shots: readonly Shot[], wanted: number): void {
    const { parts } = this.options;
    if (shots.length === 0) {
      const first = this.reader.warnings[0] ?? 'none can be used';
      throw new VerdictdError('TEACH_REFUSED', `none of the ${parts.length} pictures can be used (${first}). Show other good parts`, {
        details: this.reader.warnings,
      });
    }
    if (shots.length === 1 && this.reader.duplicates > 0 && this.reader.duplicates === parts.length - 1)
      throw new VerdictdError(
        'TEACH_REFUSED',
        `all ${parts.length} pictures are the same picture: nothing can be learned about how good parts differ. Show other good parts`,
      );
    if (shots.length < wanted && this.options.shots !== null)
      this.said.push(`${shots.length} shots instead of ${wanted}: there were no more usable pictures`);
    this.said.push(...oddShots(shots), ...oddFraming(shots));
  }

  /** Tokens of one tensor. Throws TEACH_REFUSED where the model gives other than the manifest says, or NaN. */
  private async embed(tensor: Float32Array): Promise<readonly Float32Array[]> {
    this.deps.signal?.throwIfAborted();
    const tokens = await this.deps.embed(tensor);
    const sound = this.options.bundle.manifest.taps.every(
      ({ rows, columns, dim }, t) => tokens[t]?.length === rows * columns * dim && finite(tokens[t]),
    );
    if (!sound)
      throw new VerdictdError(
        'TEACH_REFUSED',
        'the model gave patch tokens that are not numbers, or not as many as its manifest says. Run `verdictd doctor`',
      );
    return tokens;
  }
}

function finite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}
