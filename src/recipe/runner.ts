import { WorkerClient, workerFile } from '../threads';
import type { BankMethods } from './worker';

/** Runs banks while teaching, in a worker of its own. Owner of the worker; `end` is the only close path. */
export class BankRunner {
  private readonly client = new WorkerClient<BankMethods>(workerFile('recipe/worker'), 'bank');

  /** `threads`: of onnxruntime's CPU provider. */
  constructor(private readonly threads = 2) {}

  start(): void {
    this.client.start();
  }

  /** `model`: its bytes, copied; without, `name` is the path of its file. */
  async open(name: string, model?: Uint8Array): Promise<void> {
    await this.client.call('open', { name, threads: this.threads, ...(model === undefined ? {} : { model }) });
  }

  /** Outputs by name for the tokens of one picture, one array a tap in the manifest's order. The tokens are copied. */
  async run(name: string, tokens: readonly Float32Array[]): Promise<Record<string, Float32Array>> {
    return await this.client.call('run', { name, tokens: [...tokens] });
  }

  async close(name: string): Promise<void> {
    await this.client.call('close', { name });
  }

  async end(): Promise<void> {
    await this.client.end();
  }
}
