/** What every command is given: configuration, data directory, diagnostics, output, and the signal that ends it. */
import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { type Config, loadConfig } from '../config/load';
import { createDiagnostics, type Diagnostics } from '../diagnostics';
import { ExitCode, reason, VerdictdError } from '../errors';
import { makeFolder } from '../folder';
import { type EngineCache, enginesOf } from '../inspect/engine_cache';
import type { Io } from './io';

/** Global options, as commander gives them. */
export interface GlobalOptions {
  config?: string;
  dataDir?: string;
  logLevel?: string;
  set?: string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Nothing is read before it is asked for: `--help` and `config docs` need no configuration. */
export class Context {
  /** What the process ends with when the command returns: a command that found something sets `failed` and returns. */
  exitCode: ExitCode = ExitCode.ok;
  private options: GlobalOptions = {};
  private loaded: Config | null = null;
  private speaker: Diagnostics | null = null;

  constructor(
    readonly io: Io,
    /** Aborts on SIGINT, SIGTERM and SIGHUP, and when nobody reads stdout. A command ends soon after. */
    readonly signal: AbortSignal,
    private readonly env: Environment,
  ) {}

  /** Global options of the command line; called once, before the command. */
  take(options: GlobalOptions): void {
    this.options = options;
  }

  /** Path given by --config; null without. */
  get configFile(): string | null {
    return this.options.config ?? null;
  }

  /** The configuration in force. Throws CONFIG_UNREADABLE, CONFIG_INVALID. */
  config(): Config {
    this.loaded ??= this.load(this.configFile);
    return this.loaded;
  }

  /** As `config`, of another file: `config check FILE`. */
  load(file: string | null): Config {
    const set = [...(this.options.set ?? [])];
    if (this.options.logLevel !== undefined) set.push(`diagnostics.level=${this.options.logLevel}`);
    return loadConfig({ file, env: this.env, set });
  }

  /** Absolute path of the data directory, made or not: --data-dir, else dataDir, else $STATE_DIRECTORY, else ./data. */
  dataDir(): string {
    if (this.options.dataDir === '') throw new VerdictdError('USAGE', '--data-dir is empty; expected a folder, such as /var/lib/verdictd');
    // systemd gives several with colons between; the first is ours.
    const state = this.env.STATE_DIRECTORY?.split(':')[0] || undefined;
    return resolve(this.options.dataDir ?? this.config().dataDir ?? state ?? 'data');
  }

  /** As `dataDir`, made if missing. Throws DATA_DIR_UNUSABLE. */
  makeDataDir(): string {
    const dir = this.dataDir();
    try {
      makeFolder(dir);
      accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (thrown) {
      const what = `${dir}: the data directory cannot be made or written (${reason(thrown)})`;
      throw new VerdictdError('DATA_DIR_UNUSABLE', `${what}. Give one that can be with --data-dir DIR`, { cause: thrown });
    }
    return dir;
  }

  diagnostics(): Diagnostics {
    this.speaker ??= createDiagnostics(this.config().diagnostics.level);
    return this.speaker;
  }

  /** TensorRT engines, kept between commands as the station keeps them; see inference.engine. */
  engines(): EngineCache | undefined {
    const diagnostics = this.diagnostics();
    const progress = (text: string) => diagnostics.info(text);
    return enginesOf(this.config().inference.engine, this.dataDir(), { diagnostics, progress });
  }

  /** True if --log-level asks for stacks of faults. */
  get verbose(): boolean {
    return this.options.logLevel === 'debug' || this.options.logLevel === 'trace';
  }
}
