// Makes models/texture again, byte for byte: npm run build:bundle. An argument names another folder.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeTexture } from '../dist/bundle/texture/make.js';

const dir = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), 'texture');
const { golden, files } = await makeTexture(dir);
console.log(`${dir}: golden score ${golden.score}`);
for (const [name, { bytes, sha256 }] of Object.entries(files)) console.log(`${name} ${bytes} bytes ${sha256}`);
