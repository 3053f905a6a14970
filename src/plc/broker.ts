import type { Diagnostics } from '../diagnostics';
import { reason, VerdictdError } from '../errors';
import type { Cancel, Clock, Ms } from '../ports';
import { WorkerClient, WorkerError, workerFile } from '../threads';
import type { BrokerMethods } from './broker_worker';

const loopback = ['127.0.0.1', '::1', 'localhost'];
const restart = { first: 250, last: 10_000 }; // ms; doubled after each failure, set back after a minute that went well
const goodAfter: Ms = 60_000;

/**
 * A broker for the demo in a worker thread of its own: when it falls, the station goes on without it and it is started again on
 * the same port. One owner of the worker; `stop` is the only close path.
 */
export class EmbeddedBroker {
  private readonly worker = new WorkerClient<BrokerMethods>(workerFile('plc/broker_worker'), 'broker');
  private port: number;
  private delay: Ms = restart.first;
  private since: Ms = 0;
  private stopping = false;
  private cancel: Cancel = () => undefined;

  /** `port` 0: any free one. Throws CONFIG_INVALID for a host that is not this machine: the broker knows no users. */
  constructor(
    private readonly options: { host: string; port: number },
    private readonly clock: Clock,
    private readonly diagnostics: Diagnostics,
  ) {
    if (!loopback.includes(options.host)) {
      throw new VerdictdError(
        'CONFIG_INVALID',
        `The embedded broker listens on this machine only (127.0.0.1), not on ${options.host}: it knows no users and would let anyone open the gate. For other machines run a broker such as mosquitto and set plc.url.`,
      );
    }
    this.port = options.port;
  }

  /** Listens; resolves with the port. Throws BROKER_PORT_TAKEN where another program has it. */
  async start(signal: AbortSignal): Promise<number> {
    if (signal.aborted) throw new VerdictdError('ABORTED', 'Stopped before the embedded broker was started; start again.');
    try {
      await this.listen();
    } catch (thrown) {
      await this.worker.end();
      throw this.explain(thrown);
    }
    if (signal.aborted) {
      await this.stop(this.clock.now());
      throw new VerdictdError('ABORTED', 'Stopped while the embedded broker was starting; start again.');
    }
    return this.port;
  }

  async stop(by: Ms): Promise<void> {
    this.stopping = true;
    this.cancel();
    if (!this.worker.running) return;
    let cancelWait: Cancel = () => undefined;
    const late = new Promise<void>((resolve) => {
      cancelWait = this.clock.at(by, resolve);
    });
    await Promise.race([this.worker.call('close', undefined).catch(() => undefined), late]);
    cancelWait();
    await this.worker.end();
  }

  private async listen(): Promise<void> {
    this.worker.start({ onDied: (error) => this.died(error) });
    this.port = await this.worker.call('listen', { host: this.options.host, port: this.port });
    this.since = this.clock.now();
  }

  private died(error: Error): void {
    if (this.stopping || this.since === 0) return; // `start` reports the first start itself
    this.diagnostics.error({ err: reason(error) }, 'the embedded broker fell; the station goes on, the broker is started again');
    if (this.clock.now() - this.since > goodAfter) this.delay = restart.first;
    this.again();
  }

  private again(): void {
    this.cancel(); // a worker that dies while it is started comes here twice: two tries at once would end each other's
    this.cancel = this.clock.at(this.clock.now() + this.delay, () => {
      this.delay = Math.min(restart.last, this.delay * 2);
      this.revive().catch((thrown: unknown) => {
        if (this.stopping) return;
        this.diagnostics.warn({ err: this.explain(thrown).message }, 'the embedded broker could not be started again; trying on');
        this.again();
      });
    });
  }

  private async revive(): Promise<void> {
    if (this.stopping) return;
    try {
      await this.listen();
    } catch (thrown) {
      await this.worker.end();
      throw thrown;
    }
  }

  private explain(thrown: unknown): VerdictdError {
    const { host } = this.options;
    const code = thrown instanceof WorkerError ? thrown.code : undefined;
    const at = `${host}:${this.port}`;
    if (code === 'EADDRINUSE') {
      return new VerdictdError(
        'BROKER_PORT_TAKEN',
        `The embedded broker cannot listen on ${at}: another program (often a mosquitto, or a second verdictd) has port ${this.port}. Stop that program, choose another broker.port, or set broker.embedded to false and use the broker that is there.`,
        { cause: thrown },
      );
    }
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
      return new VerdictdError(
        'BROKER_PORT_TAKEN',
        `The embedded broker cannot listen on ${at} (${code}). Choose a broker.port above 1023 and broker.host 127.0.0.1.`,
        { cause: thrown },
      );
    }
    return new VerdictdError('INTERNAL', `The embedded broker did not start: ${reason(thrown)}. Use another MQTT broker by plc.url.`, {
      cause: thrown,
    });
  }
}
