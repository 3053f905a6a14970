/** Worker: runs a bank on tokens, off the main thread. */
import { Moved, serve } from '../threads';
import { Banks } from './banks';

let banks: Banks | null = null;

function opened(): Banks {
  if (banks === null) throw new Error('no bank is open');
  return banks;
}

const methods = {
  async open({ name, threads, model }: { name: string; threads: number; model?: Uint8Array }): Promise<null> {
    banks ??= new Banks(threads);
    await banks.open(name, model);
    return null;
  },
  async run({ name, tokens }: { name: string; tokens: Float32Array[] }): Promise<Moved<Record<string, Float32Array>>> {
    const outputs = await opened().run(name, tokens);
    return new Moved(
      outputs,
      Object.values(outputs).map(({ buffer }) => buffer as ArrayBuffer),
    );
  },
  async close({ name }: { name: string }): Promise<null> {
    await banks?.close(name);
    return null;
  },
};

export type BankMethods = typeof methods;
serve(methods);
