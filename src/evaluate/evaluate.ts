/** One evaluation: every test picture scored once, in order, in memory that does not grow with their number. */
import { VerdictdError } from '../errors';
import { type PixelFigures, PixelStats } from '../stats/pixels';
import { type AtLimit, atLimit, type DefectFigures, type ImageFigures, imageFigures, perDefect, statements } from './figures';
import type { Dataset } from './item';
import { judgeAll, type Model, type Scored } from './judge';
import { truthMask } from './truth';

/** As `verdictd evaluate --json` prints it (with what the command adds). */
export interface Evaluation {
  images: number; // scored
  good: number;
  bad: number;
  unreadable: number; // test pictures that could not be scored; each stands in problems
  image: ImageFigures;
  pixel: (Pick<PixelFigures, 'auroc' | 'ap' | 'aupro' | 'f1'> & { pictures: number }) | null;
  atLimit: AtLimit;
  perDefect: Record<string, DefectFigures>;
  /** Decoding, preprocessing, model and bank; mean. Null where nothing was scored. */
  msPerImage: number | null;
  /** What the figures do not say by themselves. */
  statements: string[];
  /** What is wrong with the data set. */
  problems: string[];
}

export interface Evaluated {
  evaluation: Evaluation;
  scored: Scored[];
}

/** Throws DATASET_REFUSED where no picture could be scored, ABORTED by the model's signal. */
export async function evaluate(dataset: Dataset, model: Model, progress: () => void = () => undefined): Promise<Evaluated> {
  const problems = [...dataset.problems];
  const masks = dataset.test.filter(({ truth }) => truth !== null).length;
  const pixels = new PixelStats();
  const scored: Scored[] = [];
  let [used, added] = [0, 0]; // masks, maps
  for await (const one of judgeAll(dataset.test, model, masks > 0 ? 'full' : 'none')) {
    progress();
    if ('problem' in one) {
      problems.push(one.problem);
      continue;
    }
    scored.push(one.scored);
    const { item } = one.scored;
    if (one.map === null || (!item.good && item.truth === null)) continue;
    try {
      const mask = item.truth === null ? null : await truthMask(item.truth, one.picture, model.map);
      pixels.add({ ...model.map, data: one.map }, mask);
      added++;
      if (mask !== null) used++;
    } catch (thrown) {
      if (thrown instanceof RangeError) problems.push(`${item.name}: ${thrown.message}; its map is left out`);
      else if (thrown instanceof VerdictdError && thrown.code === 'DATASET_REFUSED')
        problems.push(`${item.name}: ${thrown.message}; left out of the figures of pixels`);
      else throw thrown;
    }
  }
  if (scored.length === 0)
    throw new VerdictdError(
      'DATASET_REFUSED',
      `none of the ${dataset.test.length} test pictures could be scored (${problems.at(-1) ?? 'no reason was given'}). Check the data set`,
      {
        details: problems,
      },
    );
  const found = used === 0 ? null : pixels.figures();
  const good = scored.filter(({ item }) => item.good).length;
  const evaluation: Evaluation = {
    images: scored.length,
    good,
    bad: scored.length - good,
    unreadable: dataset.test.length - scored.length,
    image: imageFigures(scored),
    pixel: found === null ? null : { auroc: found.auroc, ap: found.ap, aupro: found.aupro, f1: found.f1, pictures: added },
    atLimit: atLimit(scored, model.recipe),
    perDefect: perDefect(scored),
    msPerImage: scored.reduce((sum, { ms }) => sum + ms, 0) / scored.length,
    statements: statements(scored, model.recipe, { bad: masks, used }),
    problems,
  };
  return { evaluation, scored };
}
