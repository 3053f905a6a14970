// What the parts have shown: on the terminal, and as a page that is committed with a release.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, totalmem } from 'node:os';

/** The part's own figures, with what holds for every part: it did something, and saw no failure. */
export function figuresOf(part, tally) {
  const own = tally.units > 0 ? part.figures(tally) : [];
  return [
    ...(tally.units > 0 ? [] : [{ what: 'something was done', measured: 'no unit', goal: 'at least 1', ok: false }]),
    ...own,
    ...(tally.failed > 0 && own.every(({ ok }) => ok) ? [{ what: 'failures', measured: String(tally.failed), goal: '0', ok: false }] : []),
  ];
}

export function printPart({ part, goal, skipped, tally, figures }) {
  console.log(`${part.name}: ${part.title}`);
  if (skipped !== undefined) return console.log(`  skipped: ${skipped}`);
  const scales = Object.entries(tally.scale).map(([name, factor]) => `${name} x ${factor}`);
  console.log(
    `  ${tally.units} of ${goal} units in ${tally.seconds.toFixed(0)} s${scales.length > 0 ? `; scaled: ${scales.join(', ')}` : ''}`,
  );
  for (const { what, measured, goal: wanted, ok } of figures)
    console.log(`  ${ok ? 'ok    ' : 'FAILED'} ${what}: ${measured} (goal ${wanted})`);
  for (const note of tally.notes) console.log(`  note: ${note}`);
  for (const failure of tally.failures) console.log(`  failure: ${failure}`);
}

/** The last line; `good`: something was shown, and nothing failed. */
export function summary(results) {
  const figures = results.flatMap((result) => result.figures ?? []);
  const failed = figures.filter(({ ok }) => !ok).length;
  const skipped = results.filter((result) => result.skipped !== undefined).length;
  return { good: failed === 0 && figures.length > 0, line: `${figures.length - failed} passed, ${failed} failed, ${skipped} skipped` };
}

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');

function machine() {
  const Database = createRequire(import.meta.url)('better-sqlite3');
  const db = new Database(':memory:');
  const sqlite = db.prepare('SELECT sqlite_version()').pluck().get();
  db.close();
  const of = (command, args, pattern) => {
    try {
      return pattern.exec(execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }))?.[0] ?? 'unknown';
    } catch (thrown) {
      return pattern.exec(String(thrown.stdout ?? ''))?.[0] ?? 'none'; // mosquitto -h ends with 3
    }
  };
  const cores = cpus();
  return [
    `${cores[0]?.model ?? 'unknown processor'}, ${cores.length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}, Node.js ${process.versions.node}, SQLite ${sqlite}, ${of('/usr/sbin/mosquitto', ['-h'], /mosquitto version [\d.]+/)}`,
  ];
}

/** Markdown, for docs/torture.md. */
export function writeReport(file, results, { short }) {
  const ran = results.filter(({ tally }) => tally !== undefined && tally.units > 0);
  const lines = [
    '# The torture bench: what was done to the station, and what came of it',
    '',
    `Written by \`npm run torture -- ${short ? '--short ' : ''}--report\` on ${new Date().toISOString().slice(0, 10)}; what a person corrected in a tally stands in its notes. Each part says what is promised,`,
    'how often it was attacked (units), what was measured and what the goal is.',
    '',
    ...machine().map((line) => `- ${line}`),
    '',
    '| part | promise | units | seconds | date | tree |',
    '|---|---|---|---|---|---|',
    ...ran.map(
      ({ part, goal, tally }) =>
        `| ${part.name} | ${cell(part.promise)} | ${tally.units} of ${goal}${tally.units < goal ? ', **not finished**' : ''} | ${tally.seconds.toFixed(0)} | ${tally.date} | ${tally.commits.join(', ')} |`,
    ),
    '',
    '`+`: the tree had changes that were not committed yet.',
    '',
    '## Figures',
    '',
    '| part | what | measured | goal | |',
    '|---|---|---|---|---|',
    ...ran.flatMap(({ part, figures }) =>
      figures.map(
        ({ what, measured, goal, ok }) =>
          `| ${part.name} | ${cell(what)} | ${cell(measured)} | ${cell(goal)} | ${ok ? 'ok' : '**missed**'} |`,
      ),
    ),
    '',
    summary(results).line,
    '',
    '## How',
    '',
    ...ran.flatMap(({ part, tally }) => [
      `**${part.name}**: ${part.title}.${scales(tally)}`,
      ...tally.notes.map((note) => `- ${note}`),
      ...tally.failures.map((failure) => `- failure: ${failure.split('\n')[0]}`),
      '',
    ]),
    '## Limits',
    '',
    '- No real power was cut: a drive that reports a flush it did not make is beyond this bench. Names of files are taken to become',
    '  durable in their order and with the next sync of any file, as journalling file systems do it.',
    '- Nothing ran on a Jetson, with a real camera or with a real PLC.',
    '- Nothing seen in N random trials bounds the share of trials that would show it below 3/N, with 95 % confidence (rule of three); it',
    '  is not zero. Trials that share a recording are not independent of each other.',
    ...results.flatMap(({ part, skipped, tally }) => {
      if (skipped !== undefined) return [`- ${part.name} was skipped: ${skipped}`];
      return tally.units === 0 ? [`- ${part.name} was not run.`] : [];
    }),
    '',
  ];
  writeFileSync(file, lines.join('\n'));
}

function scales({ scale }) {
  const all = Object.entries(scale).map(([name, factor]) => `${name} x ${factor}`);
  return all.length === 0 ? '' : ` Scaled: ${all.join(', ')}.`;
}
