/** What a person should look at after teaching, from files or live. */
import { placeText } from '../recipe/outlier';
import type { TeachReport } from '../recipe/teach';
import type { Context } from './context';

/** Warnings, and which shots to look at again, on stderr. */
export function sayDoubts({ io }: Pick<Context, 'io'>, { warnings, standing, lookAgain }: TeachReport): void {
  for (const warning of warnings) io.err(`warning: ${warning}`);
  const places = lookAgain.flatMap((name) => {
    const found = standing.find((one) => one.name === name);
    return found === undefined ? [] : [`${name} (${placeText(found)})`];
  });
  if (places.length > 0)
    io.err(`least like the other shots: ${places.join('; ')}. Look at them once more: a defective part among the shots hides its like`);
}
