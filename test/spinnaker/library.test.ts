/** @jest-environment ./test/support/fake_spinnaker.cjs */
/** Which library is loaded, and which camera of it: every way in which either may not be there. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../src/package';
import { never, planOf, rejection } from '../contract/camera';
import { command, describeFake, library, reset } from './fake';
import { begin, clean, make } from './used';

begin();
const fakeFolder = join(packageRoot, 'build/fake');

describeFake('the library', () => {
  /** What opening says of a library at this path. */
  const refusal = async (path: string): Promise<string> => {
    const error = await rejection(make({ library: path }).start(planOf(), never()));
    expect(error.code).toBe('CAMERA_FAILED');
    return error.message;
  };
  test('a path that is not absolute, no file, no library', async () => {
    expect(await refusal('libSpinnaker_C.so.4')).toMatch(/absolute path; received 'libSpinnaker_C\.so\.4'/);
    expect(await refusal('/nowhere/libSpinnaker_C.so.4')).toMatch(/\/nowhere\/libSpinnaker_C\.so\.4: there is no such file/);
    expect(await refusal(join(packageRoot, 'package.json'))).toMatch(/package\.json: it is no ELF library/);
    expect(await refusal(packageRoot)).toMatch(/it is no file/);
  });
  test('every usual place is named with what is wrong there', () => {
    // In a process of its own: once a library of that name is loaded, the loader finds it without looking.
    const script = `const {native}=require(${JSON.stringify(join(packageRoot, 'dist/native.js'))});
      const c=new (native().Camera)({backend:'spinnaker',library:'',serial:'',acceptOutput:''},()=>{});
      c.list().then(()=>console.log('found'),(e)=>console.log(e.cause+': '+e.message)).then(()=>c.close())`;
    const text = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    if (text.startsWith('found')) return console.log('skipped: a Spinnaker library is installed on this machine');
    for (const place of ['libSpinnaker_C.so.4', '/opt/spinnaker/lib/libSpinnaker_C.so.3', '/usr/lib/libSpinnaker_C.so']) {
      expect(text).toContain(`\n  ${place}: `);
    }
    expect(text).toMatch(/^environment: /);
  });
  test('another machine, a missing function, a missing dependency', async () => {
    expect(await refusal(join(fakeFolder, 'wrong-machine/libSpinnaker_C.so.4'))).toMatch(/it is for machine type 50, this program is /);
    expect(await refusal(join(fakeFolder, 'missing-symbol/libSpinnaker_C.so.4'))).toMatch(/it has no function spin[A-Z]\w+/);
    expect(await refusal(join(fakeFolder, 'missing-dependency/libSpinnaker_C.so.4'))).toMatch(
      /libSpinnaker\.so\.4: cannot open shared object/,
    );
  });
  test('a version that is too old is refused, and let go', async () => {
    await reset('version = 2.5.0.80');
    expect(await refusal(library)).toMatch(/version 2\.5\.0\.80 of the Spinnaker library; expected 3 or later/);
    await clean();
  });
});

describeFake('which camera', () => {
  beforeEach(async () => reset('cameras = 11,22'));
  afterEach(clean);
  test('an absent serial: those present are listed; none given although there are two: the same', async () => {
    const absent = await rejection(make({ serial: '33' }).start(planOf(), never()));
    expect(absent.message).toMatch(/serial number 33\. Cameras present: 11 \(.*89S6C\), 22 \(/);
    const which = await rejection(make().start(planOf(), never()));
    expect(which.message).toMatch(/several cameras.*11 \(/);
  });
  test('the one that was named', async () => {
    expect(await make({ serial: '22' }).start(planOf(), never())).toMatchObject({ serial: '22', vendor: 'FLIR', pixelFormat: 'BayerRG8' });
  });
  test('busy, and the producer not found: what to do', async () => {
    await command('busy = on');
    expect((await rejection(make({ serial: '11' }).start(planOf(), never()))).message).toMatch(/-1005.*Another program holds the camera/);
    await command('fail SystemGetInstance -1012 could not load producer');
    expect((await rejection(make({ serial: '11' }).start(planOf(), never()))).message).toMatch(
      /could not load producer.*SPINNAKER_GENTL64_CTI/,
    );
  });
  test('too little memory for USB transfers at the start of the stream', async () => {
    await command('usbfs-mb = 0.1');
    expect((await rejection(make({ serial: '11' }).start(planOf(), never()))).message).toMatch(/-1010.*usbfs_memory_mb/);
  });
});
