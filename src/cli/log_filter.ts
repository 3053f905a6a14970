/** Which verdicts a command of the log is about: the options, and what they mean. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Word } from '../codes';
import type { Filter } from '../store/read';
import { slug } from './options';

export interface FilterOptions {
  verdict?: Word;
  recipe?: string;
  lot?: string;
  since?: string;
  until?: string;
}

const words: readonly Word[] = ['PASS', 'FAIL', 'UNDECIDED', 'ERROR'];

function word(text: string): Word {
  const found = words.find((one) => one === text.toUpperCase());
  if (found === undefined) throw new InvalidArgumentError(`Expected one of ${words.join(', ')}.`);
  return found;
}

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const; // ms

/** A moment (ISO 8601; without a zone local time) or an age (30m, 8h, 7d), as UTC. */
export function since(text: string): string {
  const age = /^(\d{1,6})([mhd])$/.exec(text);
  const unit = age?.[2] as keyof typeof units | undefined;
  const moment = unit === undefined ? Date.parse(text) : Date.now() - Number(age?.[1]) * units[unit];
  if (!Number.isFinite(moment))
    throw new InvalidArgumentError('Expected a time such as 2026-11-30T06:00, or an age such as 30m, 8h or 7d.');
  return new Date(moment).toISOString();
}

function lot(text: string): string {
  if (text.length > 64) throw new InvalidArgumentError('Expected at most 64 characters.');
  return text;
}

export function filterOptions(command: Command): Command {
  return command
    .option('--verdict <word>', `only ${words.join(', ')}`, word)
    .option('--recipe <id>', 'only of this recipe', slug)
    .option('--lot <name>', 'only of this lot; "" for those without', lot)
    .option('--since <time>', 'only from this time on (2026-11-30T06:00), or of this age (30m, 8h, 7d)', since)
    .option('--until <time>', 'only before this time, or older than this age', since);
}

export function filterOf({ verdict, recipe, lot, since, until }: FilterOptions): Omit<Filter, 'last'> {
  return { verdict: verdict ?? null, recipe: recipe ?? null, lot: lot ?? null, since: since ?? null, until: until ?? null };
}
