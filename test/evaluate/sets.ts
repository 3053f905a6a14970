/** Small data sets, made on the spot. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

export class Sets {
  private readonly made: string[] = [];

  dir(): string {
    const dir = mkdtempSync(join(tmpdir(), 'verdictd-sets-'));
    this.made.push(dir);
    return dir;
  }

  /** A grey picture; `value` makes it one of its kind. */
  async grey(path: string, value: number, width = 32, height = 24): Promise<string> {
    mkdirSync(dirname(path), { recursive: true });
    await sharp({ create: { width, height, channels: 3, background: { r: value, g: value, b: value } } })
      .png()
      .toFile(path);
    return path;
  }

  /** A mask with one white rectangle. */
  async mask(
    path: string,
    width: number,
    height: number,
    box: { x: number; y: number; width: number; height: number } | null,
  ): Promise<string> {
    mkdirSync(dirname(path), { recursive: true });
    const data = Buffer.alloc(width * height);
    if (box !== null) for (let y = box.y; y < box.y + box.height; y++) data.fill(255, y * width + box.x, y * width + box.x + box.width);
    await sharp(data, { raw: { width, height, channels: 1 } })
      .png()
      .toFile(path);
    return path;
  }

  text(path: string, ...lines: string[]): string {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${lines.join('\n')}\n`);
    return path;
  }

  /** MVTec layout: two good parts to teach from, two good and two scratched ones to test. */
  async mvtec(dir = this.dir()): Promise<string> {
    for (const [i, name] of ['train/good/0', 'train/good/1', 'test/good/0', 'test/good/1', 'test/scratch/0', 'test/scratch/1'].entries())
      await this.grey(join(dir, `${name}.png`), 60 + 10 * i);
    return dir;
  }

  clean(): void {
    for (const dir of this.made) rmSync(dir, { recursive: true, force: true });
  }
}
