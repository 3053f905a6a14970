/** What docs/plc.md and docs/mqtt.md tell a person to open or to type exists and is read as they say. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import type { Context } from '../../src/cli/context';
import { register } from '../../src/cli/plc_sim';
import { packageRoot } from '../../src/package';
import { parseCommand, parseTrigger } from '../../src/plc/parse';

const pages = ['docs/plc.md', 'docs/mqtt.md'].map((path) => ({ path, text: readFileSync(join(packageRoot, path), 'utf8') }));
/** As the pages and GitHub make them of a heading. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replace(/ /g, '-');

test.each(pages)('$path: every link leads to a file, and to a heading in it', ({ path, text }) => {
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  expect(links.length).toBeGreaterThan(1);
  for (const link of links) {
    const [file = '', heading] = link.split('#');
    const target = join(packageRoot, dirname(path), file);
    expect([link, existsSync(target)]).toEqual([link, true]);
    if (heading === undefined) continue;
    const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, one = '']) => anchor(one));
    expect(headings).toContain(heading);
  }
});

test('the payloads to type by hand: read, or refused, as the page says', () => {
  const { text = '' } = pages[0] ?? {};
  const typed = [...text.matchAll(/-t \S+\/(trigger|cmd) -m '([^']+)'/g)];
  expect(typed).toHaveLength(2);
  for (const [, topic, payload = ''] of typed) {
    if (topic === 'cmd') expect(parseCommand(Buffer.from(payload))).toMatchObject({ cmd: 7 });
    else expect(parseTrigger(Buffer.from(payload))).toEqual({ seq: 42, partId: 'HAND-1', recipeId: 0 });
  }
  const refused = /`-m '([^']+)'` gives `ack` 0, 205/.exec(text)?.[1] ?? '';
  expect(parseTrigger(Buffer.from(refused))).toEqual({ bad: 205, seq: 0 });
});

test('the options of plc-sim that the page uses exist', () => {
  const program = new Command();
  register(program, {} as Context); // only its options are read
  const options = new Set(program.commands[0]?.options.map(({ long }) => long));
  const { text = '' } = pages[0] ?? {};
  const lines = text.split('\n').filter((line) => line.includes('npx verdictd plc-sim'));
  const used = [...lines.join(' ').matchAll(/--[a-z-]+/g), ...text.matchAll(/`(--[a-z-]+)`/g)].map(([whole, named]) => named ?? whole);
  expect(lines.length).toBeGreaterThan(0);
  for (const option of used) expect([option, options.has(option)]).toEqual([option, true]);
});
