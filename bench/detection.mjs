// How well the default bundle tells bad parts from good ones after teaching: on real castings by shots and symmetry, over 5 draws; on
// families of the procedural line that were never used to choose its settings; on magnetic tiles. Taught and scored as the product does.
// node bench/detection.mjs [DATASET in the MVTec layout] [--only castings,line,tiles] [--symmetry none,all] [--seeds 5] [--shots 1,4,8,16]
//   [--families wood,leather,perforated,label] [--json]
// Test parts are only scored here; nothing is chosen by them.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readFolder, row } from './detection/folder.mjs';
import { heldOut, lineRows, usedToChoose } from './detection/line.mjs';
import { meanOf, quantile, Rig } from './detection/rig.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    symmetry: { type: 'string' },
    seeds: { type: 'string', default: '5' },
    shots: { type: 'string' },
    families: { type: 'string' },
    json: { type: 'boolean' },
  },
});
const list = (text, standard) => (text === undefined ? standard : text.split(','));
const own = positionals[0] !== undefined;
const sections = own ? ['castings'] : list(values.only, ['castings', 'line', 'tiles']);
const data = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'shared', 'data');
const castings = positionals[0] ?? join(data, 'castings');
const tiles = join(data, 'magnetic-tiles');
const symmetries = list(values.symmetry, ['none', 'all']);
const shotCounts = list(values.shots, ['1', '4', '8', '16']).map(Number);
const draws = Number(values.seeds);
/** Image AUROC to reach on the castings: the mean over the draws, without symmetry. */
const goals = own ? {} : { 1: 0.88, 4: 0.95, 8: 0.97, 16: 0.985 };
const lineGoals = { shots: 8, image: 0.97, pixel: 0.95 };
const modelGoal = 40; // ms a part

const say = (text) => values.json || console.log(text);
const there = (folder) => {
  if (existsSync(join(folder, 'train', 'good'))) return true;
  console.error(`skipped: ${folder} has no train/good; name a data set in the MVTec layout`);
  return false;
};
const imageText = ({ auroc, least, most, draws: n }) =>
  `image AUROC ${auroc.toFixed(3)} (${least.toFixed(3)}..${most.toFixed(3)}, ${n} draws)`;

const rig = await Rig.open();
const out = { bundle: rig.name, rows: [], line: null, tiles: null };
try {
  if (sections.includes('castings') && there(castings)) {
    const parts = await readFolder(rig, castings);
    const good = parts.test.filter((part) => part.good).length;
    say(`${castings}: ${parts.train.length} good to teach from, ${good} good and ${parts.test.length - good} bad to test`);
    for (const symmetry of symmetries)
      for (const shots of shotCounts.filter((count) => count <= parts.train.length)) {
        const found = await row(rig, parts, { symmetry, shots, draws, goal: symmetry === 'none' ? (goals[shots] ?? null) : null });
        out.rows.push(found);
        const goal = found.goal === null ? '' : `  goal ${found.goal.toFixed(3)}`;
        say(
          `symmetry ${symmetry.padEnd(9)} shots ${String(shots).padStart(2)}  ${imageText(found)}${goal}  bank ${found.bankMs.toFixed(1)} ms`,
        );
      }
  }
  if (sections.includes('line')) {
    const families = list(values.families, heldOut);
    say(
      `procedural line, ${lineGoals.shots} shots, 2 products a family; never used to choose: ${heldOut.join(', ')}; used: ${usedToChoose.join(', ')}`,
    );
    const rows = await lineRows(rig, { families, products: 2, shots: lineGoals.shots, draws: Math.min(draws, 3) });
    for (const { family, auroc, least, pixelAuroc } of rows)
      say(`${family.padEnd(11)} image AUROC ${auroc.toFixed(3)} (least ${least.toFixed(3)})  pixel AUROC ${pixelAuroc.toFixed(3)}`);
    const image = meanOf(rows.map(({ auroc }) => auroc));
    const pixel = meanOf(rows.map(({ pixelAuroc }) => pixelAuroc));
    out.line = { rows, image, pixel, goals: lineGoals };
    say(`mean        image AUROC ${image.toFixed(3)}  goal ${lineGoals.image}  pixel AUROC ${pixel.toFixed(3)}  goal ${lineGoals.pixel}`);
  }
  if (sections.includes('tiles') && there(tiles)) {
    const parts = await readFolder(rig, tiles);
    const shots = Math.min(60, parts.train.length);
    out.tiles = await row(rig, parts, { symmetry: 'none', shots, draws: 1, pixels: true });
    const kinds = Object.entries(out.tiles.perKind).map(([kind, value]) => `${kind} ${value.toFixed(2)}`);
    say(
      `magnetic tiles, ${shots} good ones as shots: image AUROC ${out.tiles.auroc.toFixed(3)}, pixel AUROC ${out.tiles.pixelAuroc.toFixed(3)}`,
    );
    say(`  by kind: ${kinds.join(', ')}. No goal: exposure and cut-out differ from tile to tile more than a defect changes it`);
  }
  if (rig.modelMs.length > 0) out.modelMs = { p50: quantile(rig.modelMs, 0.5), p99: quantile(rig.modelMs, 0.99), goal: modelGoal };
  if (values.json) console.log(JSON.stringify(out));
  else if (out.modelMs !== undefined)
    console.log(`model ${out.modelMs.p50.toFixed(1)} ms a part (p50, 2 threads; p99 ${out.modelMs.p99.toFixed(1)})  goal ${modelGoal}`);
} finally {
  await rig.close();
}
