import { VerdictdError } from '../errors';

/** What to do about a checkpoint that is refused. */
export const advice = {
  damaged: 'The file is damaged or was altered: copy or download it again from its source.',
  weightsOnly: 'Save the weights alone, with torch.save(model.state_dict(), FILE), or take the file from its source.',
} as const;

/** Refuses a checkpoint: `where` is the file, `what` a clause about it. Always throws CHECKPOINT_REFUSED. */
export function refuse(where: string, what: string, todo: string = advice.damaged, details: readonly string[] = []): never {
  throw new VerdictdError('CHECKPOINT_REFUSED', `${where}: ${what}. ${todo}`, { details });
}

/** A text out of a file, made safe to print: quoted, control characters escaped, at most 120 characters. */
export function quoted(text: string): string {
  const short = text.length > 120 ? `${text.slice(0, 117)}...` : text;
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
