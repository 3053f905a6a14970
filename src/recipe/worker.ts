/** Worker: runs a bank on tokens, off the main thread. */
import { Moved, serve } from '../threads';
import { Banks } from './banks';

let banks: Banks | null = null;

function opened(): Banks {
  if (banks === null) throw new Error('no bank is open');
  return banks;
}

const methods = {
  async open({ path, threads }: { path: string; threads: number }): Promise<null> {
    banks ??= new Banks(threads);
    await banks.open(path);
    return null;
  },
  async run({ path, tokens }: { path: string; tokens: Float32Array[] }): Promise<Moved<Record<string, Float32Array>>> {
    const outputs = await opened().run(path, tokens);
    return new Moved(
      outputs,
      Object.values(outputs).map(({ buffer }) => buffer as ArrayBuffer),
    );
  },
  async close({ path }: { path: string }): Promise<null> {
    await banks?.close(path);
    return null;
  },
};

export type BankMethods = typeof methods;
serve(methods);
