import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCsv } from '../../src/evaluate/csv';
import { readDataset } from '../../src/evaluate/dataset';
import { truthMask } from '../../src/evaluate/truth';
import { Sets } from './sets';

const sets = new Sets();
afterAll(() => sets.clean());
const hashOf = (algorithm: string, path: string) => createHash(algorithm).update(readFileSync(path)).digest('hex');

describe('what is no data set', () => {
  test('a folder without anything, a missing one, one with nothing to test: each says what was expected', async () => {
    await expect(readDataset(sets.dir())).rejects.toThrow(/no test folder, no meta.json and no label CSV.*Expected train\/good/);
    await expect(readDataset(join(sets.dir(), 'nowhere'))).rejects.toMatchObject({ code: 'DATASET_REFUSED' });
    const empty = sets.dir();
    mkdirSync(join(empty, 'test', 'good'), { recursive: true });
    await expect(readDataset(empty)).rejects.toMatchObject({
      message: expect.stringMatching(/no picture to test/),
      details: ['test/good holds no picture'],
    });
  });

  test('a product that is not there: those that are get named', async () => {
    const dir = sets.dir();
    await sets.mvtec(join(dir, 'COMP', 'bolt'));
    await sets.mvtec(join(dir, 'COMP', 'nut'));
    await expect(readDataset(dir, 'gear')).rejects.toThrow(/no product gear. There are bolt, nut/);
    const bolts = await readDataset(dir, 'bolt');
    expect(bolts.products).toEqual(['bolt']);
    expect(bolts.test).toHaveLength(4);
    expect((await readDataset(dir)).test).toHaveLength(8);
  });

  test('meta.json that is not JSON, has another form, or leads out of the set', async () => {
    const dir = sets.dir();
    const meta = join(dir, 'meta.json');
    sets.text(meta, '{');
    await expect(readDataset(dir)).rejects.toThrow(/cannot be read.*Make it again/);
    sets.text(meta, '{"test": 5}');
    await expect(readDataset(dir)).rejects.toThrow(/no list of pictures/);
    sets.text(meta, JSON.stringify({ test: { bolt: [{ img_path: '../../etc/passwd', anomaly: 0 }] } }));
    await expect(readDataset(dir)).rejects.toThrow(/outside of/);
  });
});

test('MVTec layout: kinds, masks by name, empty kinds, masks of no picture', async () => {
  const dir = await sets.mvtec();
  const mask = await sets.mask(join(dir, 'ground_truth/scratch/0_mask.png'), 32, 24, { x: 4, y: 4, width: 4, height: 4 });
  await sets.mask(join(dir, 'ground_truth/scratch/9_mask.png'), 32, 24, null);
  mkdirSync(join(dir, 'test', 'dent'));
  const found = await readDataset(dir);
  expect(found.train).toHaveLength(2);
  expect(found.test.map(({ name, good, defect, truth }) => [name, good, defect, truth])).toEqual([
    ['test/good/0.png', true, null, null],
    ['test/good/1.png', true, null, null],
    ['test/scratch/0.png', false, 'scratch', { kind: 'mask', path: mask }],
    ['test/scratch/1.png', false, 'scratch', null],
  ]);
  expect(found.problems).toEqual(['test/dent holds no picture', 'ground_truth/scratch/9_mask.png is a mask of no picture']);
});

test('AD-CLIP layout: contradictions and missing files are told and left out', async () => {
  const dir = sets.dir();
  await sets.mvtec(join(dir, 'bolt'));
  const entry = (path: string, anomaly: number | undefined, specie_name: string, mask_path = '') => ({
    img_path: `bolt/${path}`,
    mask_path,
    cls_name: 'bolt',
    specie_name,
    anomaly,
  });
  sets.text(
    join(dir, 'meta.json'),
    JSON.stringify({
      train: { bolt: [entry('train/good/0.png', 0, 'good'), entry('test/scratch/0.png', 1, 'scratch')] },
      test: {
        bolt: [
          entry('test/good/0.png', 0, 'good'),
          entry('test/good/1.png', 1, 'good'),
          entry('test/scratch/1.png', 1, 'scratch', 'bolt/ground_truth/scratch/1.png'),
          entry('test/scratch/7.png', 1, 'scratch'),
        ],
        gear: [],
      },
    }),
  );
  const found = await readDataset(dir);
  expect(found.layout).toBe('ad-clip');
  expect(found.products).toEqual(['bolt', 'gear']);
  expect(found.train).toEqual([join(dir, 'bolt/train/good/0.png')]);
  expect(found.test.map(({ name, good }) => [name, good])).toEqual([
    ['bolt/test/good/0.png', true],
    ['bolt/test/scratch/1.png', false],
  ]);
  expect(found.problems).toEqual([
    'bolt/test/scratch/0.png is defective and stands among those to teach from; it is left out',
    'bolt/test/good/1.png is good by one word and defective by another in meta.json; it is left out',
    `${join(dir, 'bolt/ground_truth/scratch/1.png')} is named in meta.json and is not there`,
    `${join(dir, 'bolt/test/scratch/7.png')} is named in meta.json and is not there`,
    'gear has no picture to test in meta.json',
  ]);
});

test('label CSV: unknown words, contradictions, names against labels, missing on either side', async () => {
  const dir = join(sets.dir(), '20261121_V1_line3');
  const names = [
    'normal_20261121_1.png',
    'abnormal_20261121_1.png',
    'normal_20261121_2.png',
    'normal_20261121_3.png',
    'abnormal_20261121_2.png',
    'odd.png',
  ];
  for (const [i, name] of names.entries()) await sets.grey(join(dir, name), 50 + i);
  sets.text(
    join(dir, 'labels.csv'),
    '\uFEFFimage_id;label;description',
    'normal_20261121_1;OK;',
    'abnormal_20261121_1;NG;"burr; ""deep"""',
    'normal_20261121_2;NG;',
    'normal_20261121_3;good;',
    'normal_20261121_3;bad;',
    'abnormal_20261121_2;perhaps;',
    'normal_20261121_9;good;',
  );
  const found = await readDataset(dir);
  expect(found.layout).toBe('labels');
  expect(found.test.map(({ name, defect }) => [name, defect])).toEqual([
    ['abnormal_20261121_1.png', 'burr; "deep"'],
    ['normal_20261121_1.png', null],
  ]);
  expect(found.problems.join('\n')).toMatch(/normal_20261121_2 is abnormal in labels.csv, and its name says normal/);
  expect(found.problems.join('\n')).toMatch(/normal_20261121_3 is both normal and abnormal/);
  expect(found.problems.join('\n')).toMatch(/"perhaps" is none of/);
  expect(found.problems.join('\n')).toMatch(/odd.png has no label/);
  expect(found.problems.join('\n')).toMatch(/odd.png is not named as the folder's rule says/);
  expect(found.problems.join('\n')).toMatch(/normal_20261121_9 has a label in labels.csv and no picture/);
  expect(found.problems).toHaveLength(6);
});

describe('hash lists', () => {
  test('an altered file, a missing one, a line that is none: refused, each named', async () => {
    const dir = await sets.mvtec();
    sets.text(join(dir, 'MD5SUMS'), `${'0'.repeat(32)}  test/good/0.png`, `${'0'.repeat(32)} *test/good/8.png`);
    await expect(readDataset(dir)).rejects.toMatchObject({
      code: 'DATASET_REFUSED',
      details: [
        expect.stringMatching(/test\/good\/0.png is not the file that MD5SUMS lists/),
        'test/good/8.png is listed in MD5SUMS and is not there',
      ],
    });
    sets.text(join(dir, 'MD5SUMS'), 'no hash');
    await expect(readDataset(dir)).rejects.toThrow(/a line that is no hash and name/);
  });

  test('MD5 and SHA-256 that agree are counted; files in no list are told', async () => {
    const dir = await sets.mvtec();
    sets.text(join(dir, 'MD5SUMS'), `${hashOf('md5', join(dir, 'test/good/0.png'))}  test/good/0.png`);
    sets.text(join(dir, 'hashes.csv'), 'image_id,sha256', `test/good/1.png,${hashOf('sha256', join(dir, 'test/good/1.png'))}`);
    const found = await readDataset(dir);
    expect(found.hashed).toEqual({ md5: 1, sha256: 1 });
    expect(found.problems).toEqual(['2 of 4 test pictures stand in no hash list']);
  });

  test('one picture under two labels is left out, one taught from proves nothing', async () => {
    const dir = await sets.mvtec();
    writeFileSync(join(dir, 'test/scratch/1.png'), readFileSync(join(dir, 'test/good/1.png')));
    writeFileSync(join(dir, 'test/good/0.png'), readFileSync(join(dir, 'train/good/0.png')));
    const found = await readDataset(dir);
    expect(found.test.map(({ name }) => name)).toEqual(['test/good/0.png', 'test/scratch/0.png']);
    expect(found.problems).toEqual([
      'test/good/1.png and test/scratch/1.png are one picture, good and defective; they are left out',
      '1 test pictures are also among those to teach from (test/good/0.png): their scores prove nothing',
    ]);
  });
});

describe('where the defect is', () => {
  const picture = { width: 32, height: 24 };
  test('a mask of another size, an empty one, a box outside: a sentence', async () => {
    const dir = sets.dir();
    const other = await sets.mask(join(dir, 'a.png'), 16, 24, { x: 0, y: 0, width: 4, height: 4 });
    const empty = await sets.mask(join(dir, 'b.png'), 32, 24, null);
    await expect(truthMask({ kind: 'mask', path: other }, picture, picture)).rejects.toThrow(/16 x 24 px, the picture 32 x 24/);
    await expect(truthMask({ kind: 'mask', path: empty }, picture, picture)).rejects.toThrow(/marks nothing/);
    await expect(truthMask({ kind: 'boxes', boxes: [{ x: 40, y: 2, width: 5, height: 5 }] }, picture, picture)).rejects.toThrow(
      /mark nothing inside/,
    );
  });

  test('masks and boxes on the grid of a map; a speck between the middles is not lost', async () => {
    const dir = sets.dir();
    const mask = await sets.mask(join(dir, 'a.png'), 32, 24, { x: 16, y: 0, width: 16, height: 12 });
    const grid = { width: 4, height: 4 };
    const quarter = [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    expect([...(await truthMask({ kind: 'mask', path: mask }, picture, grid))]).toEqual(quarter);
    expect([...(await truthMask({ kind: 'boxes', boxes: [{ x: 16, y: 0, width: 16, height: 12 }] }, picture, grid))]).toEqual(quarter);
    const speck = await truthMask({ kind: 'boxes', boxes: [{ x: 1, y: 1, width: 1, height: 1 }] }, picture, grid);
    expect([...speck].indexOf(1)).toBe(0);
    expect([...speck].filter(Boolean)).toHaveLength(1);
  });

  test('boxes as CSV, JSON and COCO; one that is none is refused', async () => {
    const box = { x: 1, y: 2, width: 3, height: 4 };
    const forms: [string, string][] = [
      ['boxes.csv', 'image_id,x,y,width,height\ntest/scratch/0.png,1,2,3,4'],
      ['boxes.json', '{"test/scratch/0": [[1,2,3,4]]}'],
      ['annotations.json', '{"images":[{"id":7,"file_name":"test/scratch/0.png"}],"annotations":[{"image_id":7,"bbox":[1,2,3,4]}]}'],
    ];
    for (const [name, text] of forms) {
      const dir = await sets.mvtec();
      sets.text(join(dir, name), text);
      const found = await readDataset(dir);
      expect(found.test.find((item) => item.name === 'test/scratch/0.png')?.truth).toEqual({ kind: 'boxes', boxes: [box] });
    }
    const dir = await sets.mvtec();
    sets.text(join(dir, 'boxes.csv'), 'image_id,x,y,width,height', 'a,1,2,0,4');
    await expect(readDataset(dir)).rejects.toThrow(/a box of a that is none/);
  });
});

test('CSV as spreadsheets write it', () => {
  expect(parseCsv('a,"b ""c""\nd",e\r\n\r\n1,2,3')).toEqual([
    ['a', 'b "c"\nd', 'e'],
    ['1', '2', '3'],
  ]);
});
