/** docs/config.md and config/verdictd.yaml, from the schema. */
import { otherVariables } from './overrides';
import { rules } from './rules';
import { type Branch, type Leaf, type Node, root } from './tree';

/** A value as it stands in a YAML file, on one line. JSON is YAML 1.2. */
function yamlValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yamlValue).join(', ')}]`;
  return typeof value === 'string' && /^[a-z][A-Za-z0-9-]*$/.test(value) && !['null', 'true', 'false'].includes(value)
    ? value
    : JSON.stringify(value);
}

/** Lines of at most `width` characters, each with `prefix`. */
function wrap(text: string, prefix: string, width = 120): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && prefix.length + line.length + 1 + word.length > width) {
      lines.push(prefix + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, prefix + line];
}

function yamlNode(node: Node, indent: string): string[] {
  if ('branch' in node) {
    const below = node.branch.children.flatMap((child) => yamlNode(child, `${indent}  `));
    return ['', ...wrap(node.branch.description, `${indent}# `), `${indent}${node.name}:`, ...below];
  }
  const { about, expected, fallback } = node.leaf;
  const text = `${about.description}. Expected: ${expected}.`;
  return [...(indent === '' ? [''] : []), ...wrap(text, `${indent}# `), `${indent}${node.name}: ${yamlValue(fallback)}`];
}

/** Every key with its default, what it means as a comment. */
export function sampleYaml(): string {
  return [
    '# The configuration of verdictd: every key with its default. Generated from src/config/schema.ts by `npm run docs`.',
    '# A file of your own needs only the keys that differ. Check it with `verdictd config check FILE`.',
    '# No secrets here: a password stands in a file of its own, named by plc.passwordFile.',
    ...root.children.flatMap((child) => yamlNode(child, '')),
    '',
  ].join('\n');
}

const cell = (text: string) => text.replace(/\|/g, '\\|');

function row(leaf: Leaf): string {
  const cells = [
    `\`${leaf.path}\``,
    `\`${JSON.stringify(leaf.fallback)}\``,
    leaf.about.unit ?? '',
    leaf.expected,
    `${leaf.about.description}.`,
    `\`${leaf.env}\``,
  ];
  return `| ${cells.map(cell).join(' | ')} |`;
}

const head = ['| key | default | unit | expected | meaning | environment |', '| --- | --- | --- | --- | --- | --- |'];

function sectionDocs(branch: Branch): string[] {
  const own = branch.children.flatMap((child) => ('leaf' in child ? [row(child.leaf)] : []));
  const below = branch.children.flatMap((child) => ('branch' in child ? sectionDocs(child.branch) : []));
  const title = branch.path === '' ? ['## At the top', '', ...head] : [`## ${branch.path}`, '', branch.description, '', ...head];
  return [...(own.length === 0 ? [] : [...title, ...own, '']), ...below];
}

/** docs/config.md. */
export function configDocs(): string {
  return [
    '# Configuration',
    '',
    '<!-- Generated from src/config/schema.ts by `npm run docs`. Do not edit. -->',
    '',
    '`verdictd --config FILE` reads a YAML file; without it every key has its default. `config/verdictd.yaml` shows every key with',
    'its default, `config/demo.yaml` is what `npm start` uses, `verdictd config check FILE` checks one.',
    '',
    '- A value is looked for in this order: `--set KEY=VALUE` (also `--data-dir` and `--log-level`), environment, file, default.',
    '- In the environment and with `--set`, lists are written with commas, and `null` or nothing stands for null.',
    '- Unknown keys, wrong values and impossible combinations are refused, all at once, with exit code 78: path, value, line, what',
    '  was expected. An environment variable that starts with `VERDICTD_` and is not known is refused as well.',
    '- Units are fixed; a value is the number alone (`ttl: 1500`, not `1500 ms`).',
    '- The file is YAML 1.2: `true` and `false`, no anchors, aliases or tags, no key twice, at most 256 KiB.',
    '- Paths start at the working directory unless they are absolute.',
    '- Secrets never stand in the file: `plc.passwordFile` names a file that holds the password and nothing else. With systemd,',
    '  `LoadCredential=mqtt-password:/etc/verdictd/mqtt-password` in a drop-in puts it at',
    '  `/run/credentials/verdictd.service/mqtt-password`, which is `credential:mqtt-password` here.',
    '- The first 8 hex digits of the SHA-256 of the values in force are published on `state` and written with every verdict.',
    '',
    ...sectionDocs(root),
    '## Refused combinations',
    '',
    ...rules.map((rule) => `- ${rule.about}.`),
    '',
    '## Other environment variables',
    '',
    '| variable | meaning |',
    '| --- | --- |',
    ...Object.entries(otherVariables).map(([name, meaning]) => `| \`${name}\` | ${meaning} |`),
    '',
  ].join('\n');
}
