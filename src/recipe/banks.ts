/** Banks run in the thread that calls: for workers only, since `session.run` blocks for the whole inference. */
import { InferenceSession, Tensor } from '../inspect/onnxruntime';

/** Sessions by name; each is released by `close`, the only close path. */
export class Banks {
  private readonly sessions = new Map<string, InferenceSession>();

  /** `threads`: of onnxruntime's CPU provider. */
  constructor(private readonly threads: number) {}

  /** `model`: its bytes; without, `name` is the path of its file. */
  async open(name: string, model?: Uint8Array): Promise<void> {
    const extra = { session: { intra_op: { allow_spinning: '0' } } };
    const options = { executionProviders: ['cpu'], intraOpNumThreads: this.threads, extra };
    this.sessions.set(name, await (model === undefined ? InferenceSession.create(name, options) : InferenceSession.create(model, options)));
  }

  /** `tokens` in the order of the bank's inputs; gives the outputs by name, in buffers of their own. */
  async run(name: string, tokens: readonly Float32Array[]): Promise<Record<string, Float32Array>> {
    const session = this.sessions.get(name);
    if (session === undefined) throw new Error(`no bank ${name} is open`);
    const feeds: Record<string, Tensor> = {};
    session.inputMetadata.forEach((input, i) => {
      const data = tokens[i];
      if (!input.isTensor || data === undefined)
        throw new Error(`the bank ${name} wants ${input.name}, and there are ${tokens.length} taps`);
      feeds[input.name] = new Tensor('float32', data, input.shape.map(Number));
    });
    const found = await session.run(feeds);
    return Object.fromEntries(Object.entries(found).map(([name, tensor]) => [name, Float32Array.from(tensor.data as Float32Array)]));
  }

  async close(name: string): Promise<void> {
    const session = this.sessions.get(name);
    this.sessions.delete(name);
    await session?.release();
  }
}
