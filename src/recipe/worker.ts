/** Worker: runs a bank on tokens, off the main thread. `session.run` blocks its thread for the whole inference. */
import { InferenceSession, Tensor } from '../inspect/onnxruntime';
import { Moved, serve } from '../threads';

/** Sessions by path; each is released by `close`, the only close path. */
const sessions = new Map<string, InferenceSession>();

function sessionOf(path: string): InferenceSession {
  const session = sessions.get(path);
  if (session === undefined) throw new Error(`no bank ${path} is open`);
  return session;
}

const methods = {
  async open({ path, threads }: { path: string; threads: number }): Promise<null> {
    const extra = { session: { intra_op: { allow_spinning: '0' } } };
    sessions.set(path, await InferenceSession.create(path, { executionProviders: ['cpu'], intraOpNumThreads: threads, extra }));
    return null;
  },
  /** `tokens` in the order of the bank's inputs; gives the outputs by name. */
  async run({ path, tokens }: { path: string; tokens: Float32Array[] }): Promise<Moved<Record<string, Float32Array>>> {
    const session = sessionOf(path);
    const feeds: Record<string, Tensor> = {};
    session.inputMetadata.forEach((input, i) => {
      const data = tokens[i];
      if (!input.isTensor || data === undefined)
        throw new Error(`the bank ${path} wants ${input.name}, and there are ${tokens.length} taps`);
      feeds[input.name] = new Tensor('float32', data, input.shape.map(Number));
    });
    const found = await session.run(feeds);
    const outputs = Object.fromEntries(
      Object.entries(found).map(([name, tensor]) => [name, Float32Array.from(tensor.data as Float32Array)]),
    );
    return new Moved(
      outputs,
      Object.values(outputs).map(({ buffer }) => buffer as ArrayBuffer),
    );
  },
  async close({ path }: { path: string }): Promise<null> {
    const session = sessions.get(path);
    sessions.delete(path);
    await session?.release();
    return null;
  },
};

export type BankMethods = typeof methods;
serve(methods);
