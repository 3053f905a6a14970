/** The lot in force: what `verdictd lot` chose, else what the configuration says. It outlives a restart, as the choice of a recipe does. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Calls } from '../control/calls';
import type { Diagnostics } from '../diagnostics';
import { reason } from '../errors';
import { replaceFile } from '../recipe/durable';
import type { SqliteLog } from '../store/log';

const fileName = 'lot.json';
const name = z.string().regex(/^[A-Za-z0-9_.:-]{0,32}$/); // as line.lot
const schema = z.strictObject({ lot: name.nullable() });

/** `lot` null: that of the configuration. */
export const lotArgs = z.strictObject({ lot: name.nullable(), by: z.string().min(1).max(64) });
export type LotArgs = z.infer<typeof lotArgs>;

/** Writes the choice down, after a row of who made it. In force at the next start; a running station takes it at once (`Lot`). */
export async function chooseLot(
  { dataDir, log }: { dataDir: string; log: Pick<SqliteLog, 'audit' | 'event'> },
  { lot, by }: LotArgs,
): Promise<{ lot: string | null }> {
  await log.audit({ actor: by, action: 'lot', detail: JSON.stringify({ lot }) });
  await replaceFile(dataDir, fileName, `${JSON.stringify({ lot })}\n`);
  await log.event('lot', lot === null ? 'as configured' : `lot ${lot === '' ? '(none)' : lot}`);
  return { lot };
}

export class Lot {
  private chosen: string | null = null;

  constructor(
    private readonly dataDir: string,
    private readonly configured: string,
    private readonly log: Pick<SqliteLog, 'audit' | 'event'>,
  ) {}

  /** What cannot be read is no lot at all: rather none than a wrong one. */
  async start(diagnostics: Diagnostics): Promise<void> {
    try {
      this.chosen = schema.parse(JSON.parse(await readFile(join(this.dataDir, fileName), 'utf8'))).lot;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
      this.chosen = '';
      diagnostics.error({ err: reason(thrown) }, `${fileName} cannot be read: parts have no lot until \`verdictd lot NAME\` is run`);
    }
  }

  get current(): string {
    return this.chosen ?? this.configured;
  }

  serve(calls: Calls): void {
    calls.add('lot.get', { args: z.strictObject({}), limit: 5_000, run: () => ({ lot: this.current }) });
    calls.add('lot.set', {
      args: lotArgs,
      limit: 10_000,
      run: async (args) => {
        await chooseLot({ dataDir: this.dataDir, log: this.log }, args);
        this.chosen = args.lot;
        return { lot: this.current };
      },
    });
  }
}
