/**
 * The configuration: every key with its type, default, unit and description. The one source; see key.ts.
 * Which camera, wiring and link are the configuration's; what changes with the product is the recipe's.
 */
import { z } from 'zod';
import { levels } from '../diagnostics';
import { weekdays } from '../shifts';
import { aravis } from './aravis';
import { flag, integer, key, number, path, pathExpected, section } from './key';
import { pixelFormats } from './pixels';

const slug = z.string().regex(/^[a-z0-9-]{1,32}$/);
const slugExpected = '1 to 32 of a-z, 0-9 and -';
const optionalPath = (description: string) => key(path().nullable(), null, { description, expected: pathExpected });

/**
 * Cameras there are. `real` ones look at parts; what the others show never opens a gate (`isSimulated`).
 * A camera to come adds a row here and a section of its name under `camera`.
 */
export const cameras = {
  simulated: { real: false },
  files: { real: false },
  spinnaker: { real: true },
  aravis: { real: true },
} as const satisfies Record<string, { real: boolean }>;
export type CameraKind = keyof typeof cameras;
const kinds = Object.keys(cameras) as [CameraKind, ...CameraKind[]];

/** Product families of the simulated line, and symmetries of parts: named here so that a check needs no painter and no model. */
export const families = ['plate', 'board', 'moulded', 'textile', 'wood', 'leather', 'perforated', 'label'] as const;
export const symmetries = ['none', 'flips', 'rotations', 'all'] as const;

/** Lines on the connector of a FLIR camera. */
export const inputLines = ['Line0', 'Line2', 'Line3'] as const;
export const outputLines = ['Line1', 'Line2'] as const;

export const executionProviders = ['tensorrt', 'cuda', 'cpu'] as const;

/** A topic of MQTT 3.1.1 that small PLCs can hold: ASCII, no wildcard, no empty level, not the broker's own `$` tree. */
const baseTopic = z
  .string()
  .max(50)
  .regex(/^[A-Za-z0-9_.:-]+(\/[A-Za-z0-9_.:-]+){0,3}$/);

/** mqtt:// or mqtts:// with host and port, and nothing more: who we are is said by other keys, and by files. */
function isBrokerUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  return plain && ['mqtt:', 'mqtts:'].includes(url.protocol) && url.hostname !== '' && ['', '/'].includes(url.pathname);
}

export const schema = z.strictObject({
  station: section('Who this station is.', {
    name: key(slug, 'station', {
      description: 'Name of the station: unique in the plant, part of every topic and client id',
      expected: slugExpected,
    }),
  }),

  dataDir: optionalPath(
    'Folder of log, recipes and pictures; on the rig put it on NVMe, not on an SD card. null: $STATE_DIRECTORY, which systemd sets, else ./data. The option --data-dir goes before',
  ),

  camera: section('Where pictures come from.', {
    kind: key(z.enum(kinds), 'simulated', {
      description:
        'Which camera; its own keys stand in the section of the same name. simulated and files are simulated to the PLC: their parts never open a gate unless plc.acceptSimulated says so',
    }),
    simulated: section('A procedural production line, the same for the same seed.', {
      family: key(z.enum(families), 'plate', { description: 'Product family on the line' }),
      product: key(integer(0, 65535), 0, { description: 'Which product of the family: each number has its own drawing' }),
      seed: key(integer(0, 4294967295), 1, { description: 'Seed of all variation and of the defects' }),
      width: key(integer(64, 8192).multipleOf(2), 4096, {
        description: 'Width of the sensor image',
        unit: 'px',
        expected: 'an even number of pixels from 64 to 8192',
      }),
      height: key(integer(64, 8192).multipleOf(2), 2160, {
        description: 'Height of the sensor image',
        unit: 'px',
        expected: 'an even number of pixels from 64 to 8192',
      }),
      defectRate: key(number(0, 1), 0.1, { description: 'Share of parts that have a defect', unit: '0..1' }),
      rate: key(number(0.01, 1000), 2, { description: 'Exposures in free run; triggers set the pace otherwise', unit: 'Hz' }),
    }),
    files: section('Image files in place of a camera.', {
      paths: key(z.array(path()).max(1000), [], {
        description: 'Image files, or folders of them',
        expected: 'a list of paths (absolute, or from the working directory; "~" is not expanded)',
      }),
      loop: key(flag(), false, { description: 'Start again after the last image' }),
      order: key(z.enum(['name', 'shuffled']), 'name', { description: 'Order of the images' }),
      rate: key(number(0.01, 1000), 2, { description: 'Exposures in free run; triggers set the pace otherwise', unit: 'Hz' }),
    }),
    spinnaker: section(
      'A FLIR camera over the Spinnaker library; see docs/camera.md. Keys that begin with a capital are features of the camera, spelled as SFNC spells them. Exposure, gain, balance, format and region of a recipe go before those here.',
      {
        serial: key(
          z
            .string()
            .regex(/^[A-Za-z0-9_-]{1,32}$/)
            .nullable(),
          null,
          {
            description: 'Serial number of the camera. null: the only one there is',
            expected: 'a serial number of 1 to 32 letters and digits',
          },
        ),
        library: key(
          path()
            .refine((text) => text.startsWith('/'))
            .nullable(),
          null,
          {
            description:
              'File of the Spinnaker C library, by its absolute path. null: $VERDICTD_SPINNAKER_LIBRARY, else libSpinnaker_C.so.4 or .so.3 where the system or /opt/spinnaker/lib has it',
            expected: 'an absolute path',
          },
        ),
        UserSetSelector: key(z.enum(['Default', 'UserSet0', 'UserSet1']), 'Default', {
          description: 'User set that is loaded first; everything below is written over it. Nothing is ever saved in the camera',
        }),
        TriggerSource: key(z.enum(inputLines).nullable(), null, {
          description:
            'Line that triggers exposures; Line0 is the opto-isolated input. With trigger.source hardware or freeRun; in free run its frames belong to no sequence number. null: software trigger with trigger.source mqtt, else the camera runs free',
        }),
        TriggerActivation: key(z.enum(['RisingEdge', 'FallingEdge']), 'RisingEdge', { description: 'Edge of the line that triggers' }),
        TriggerDelay: key(number(0, 65535), 0, { description: "From edge to exposure; 0: the camera's least", unit: 'us' }),
        LineFilterWidth: key(number(0, 32767), 1000, { description: 'Debounce of the line that triggers; 0: none', unit: 'us' }),
        AcquisitionFrameRate: key(number(0.1, 1000).nullable(), 10, {
          description: 'Exposures when it runs free. null: as many as the link carries',
          unit: 'Hz',
        }),
        ExposureTime: key(number(1, 30000000), 5000, { description: 'Exposure', unit: 'us' }),
        Gain: key(number(0, 60), 0, { description: 'Gain', unit: 'dB' }),
        BalanceRatioRed: key(number(0.1, 16).nullable(), null, { description: "Gain of red against green. null: the user set's" }),
        BalanceRatioBlue: key(number(0.1, 16).nullable(), null, { description: "Gain of blue against green. null: the user set's" }),
        PixelFormat: key(z.enum(pixelFormats), 'BayerRG8', {
          description: 'Format of the frames; mirroring changes which Bayer format the camera offers',
        }),
        Width: key(integer(4, 16384).nullable(), null, { description: 'Width of the region. null: all of the sensor', unit: 'px' }),
        Height: key(integer(4, 16384).nullable(), null, { description: 'Height of the region. null: all of the sensor', unit: 'px' }),
        OffsetX: key(integer(0, 16384), 0, { description: 'Left edge of the region', unit: 'px' }),
        OffsetY: key(integer(0, 16384), 0, { description: 'Upper edge of the region', unit: 'px' }),
        BinningHorizontal: key(integer(1, 4), 1, { description: 'Pixels that become one, across' }),
        BinningVertical: key(integer(1, 4), 1, { description: 'Pixels that become one, down' }),
        ReverseX: key(flag(), false, { description: 'Mirror left and right' }),
        ReverseY: key(flag(), false, { description: 'Mirror top and bottom' }),
        DeviceLinkThroughputLimit: key(integer(1000000, 1000000000).nullable(), 200000000, {
          description: "What the camera may send, rounded down to its own steps; less is kinder to a small board. null: the user set's",
          unit: 'bytes/s',
        }),
        StreamBufferCountManual: key(integer(2, 100), 10, {
          description: 'Frames the host has room for; the kernel must lend USB transfers memory for two more (`verdictd doctor`)',
        }),
        strobeLine: key(z.enum(outputLines).nullable(), null, { description: 'Output that is on while exposing' }),
        acceptLine: key(z.enum(outputLines).nullable(), null, {
          description:
            'Output that is energised for an accepted part (ok 1), and for nothing else; wire it so that at rest it means reject',
        }),
        acceptPulse: key(integer(5, 10000), 100, { description: 'So long', unit: 'ms' }),
        frameTimeout: key(integer(50, 60000), 500, {
          description: 'Beyond exposure and transfer, a frame that takes longer is late and not judged (code 302)',
          unit: 'ms',
        }),
      },
    ),
    aravis,
  }),

  trigger: section('What starts an inspection.', {
    source: key(z.enum(['mqtt', 'hardware', 'freeRun']), 'mqtt', {
      description:
        'mqtt: the PLC asks for each part. hardware: the PLC announces each part, and its sensor triggers the camera by TriggerSource. freeRun: the camera sets the pace; verdicts then have no sequence number and never open a gate',
    }),
    leadMin: key(integer(1, 10000), 20, {
      description: 'With hardware: from the receipt of an announcement to its exposure, at the least',
      unit: 'ms',
    }),
    leadMax: key(integer(2, 60000), 1000, {
      description: 'With hardware: the same at the most. Shorter than the time from part to part',
      unit: 'ms',
    }),
  }),

  line: section('Parts under way.', {
    maxOpen: key(integer(1, 16), 4, { description: 'Parts open at once; a trigger above it is refused with code 201' }),
    lot: key(z.string().regex(/^[A-Za-z0-9_.:-]{0,32}$/), '', {
      description: 'Lot that is written with every verdict; empty for none. The command `verdictd lot` goes before',
      expected: 'at most 32 of A-Z, a-z, 0-9, _ . : -',
    }),
    shifts: key(z.array(z.string().regex(/^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/)).max(12), [], {
      description:
        'Shifts, in local time, for the export, for master.at and for watch.noTrigger; one that ends before it begins goes over midnight. Empty: none',
      expected: 'a list of HH:MM-HH:MM, as ["06:00-14:00", "14:00-22:00", "22:00-06:00"]',
    }),
    workdays: key(z.array(z.enum(weekdays)).min(1).max(7), [...weekdays], {
      description: 'Days on which shifts begin; on others no master check falls due and nobody misses a trigger',
      expected: `a list of ${weekdays.join(', ')}, at least one`,
    }),
  }),

  bundle: section('The model.', {
    path: optionalPath('Folder of the bundle. null: the one that comes with verdictd'),
  }),

  recipe: section('The product.', {
    active: key(slug.nullable(), null, {
      description: 'Recipe in force at start. null: none, and the station is not ready (code 601)',
      expected: slugExpected,
    }),
    acceptProvisional: key(flag(), false, {
      description: 'Let parts pass on a provisional limit, one that too few good parts support. Otherwise such parts get code 603',
    }),
    keep: key(integer(1, 64), 4, {
      description: 'Recipes of the bundle kept ready: a switch to one takes effect at once, and parts are compared with them (wrongPart)',
    }),
    keepMemory: key(integer(1, 65536), 256, { description: 'Their banks together take no more; the least used goes first', unit: 'MiB' }),
    wrongPart: key(z.enum(['off', 'check', 'switch']), 'check', {
      description:
        'What becomes of a part that looks more like another recipe kept ready. check: code 307, never a pass. switch: the same, and where the trigger named no recipe that other one is put in force for the parts that follow. off: nothing, scores are not compared',
    }),
    wrongPartMargin: key(number(1.01, 100), 1.5, {
      description: 'A part looks more like another recipe if its score there, times this, is at most its score by the recipe in force',
    }),
    teach: section('Teaching at start, for the demo.', {
      auto: key(flag(), false, {
        description: 'If the active recipe does not exist, teach it from the first parts. Whatever comes first counts as good',
      }),
      shots: key(integer(1, 256), 8, { description: 'Good parts that become the bank' }),
      heldOut: key(integer(0, 10000), 24, { description: 'Further good parts that are only scored, to set the limit by' }),
      symmetry: key(z.enum(symmetries), 'none', {
        description: 'Positions in which a good part is just as good; all: the 8 rotations and flips of the square',
      }),
      falseReject: key(number(0.00001, 0.5), 0.005, { description: 'Share of good parts the limit may reject', unit: '0..0.5' }),
    }),
  }),

  master: section('Master parts: parts known to be good and bad, shown to prove that the station still tells them apart.', {
    at: key(z.array(z.enum(['recipeChange', 'start', 'middle', 'end'])).max(4), [], {
      description:
        'When a check is due; from then on nothing passes (code 602) until one has passed. start, middle, end: of each of line.shifts. Without any, a check is never due, but one that failed locks the station all the same',
      expected: 'a list of recipeChange, start, middle, end',
    }),
    early: key(integer(0, 720), 30, { description: 'A check that passed so long before it was due counts', unit: 'min' }),
  }),

  inference: section('Running the model.', {
    providers: key(z.array(z.enum(executionProviders)).min(1), [...executionProviders], {
      description:
        'Execution providers in the order they are tried; each refusal is logged with its reason, and the one in use is published',
      expected: 'a list of tensorrt, cuda, cpu, each at most once, nothing after cpu',
    }),
    threads: key(integer(1, 16), 2, { description: 'Threads of the cpu provider' }),
    engine: section('TensorRT engines, built ahead of the first part and kept, where providers begins with tensorrt; see docs/rig.md.', {
      build: key(flag(), true, {
        description: 'Build and keep them. Without, TensorRT builds one at each start, in single precision, with all the memory there is',
      }),
      precision: key(z.enum(['bundle', 'fp32', 'tf32', 'fp16']), 'bundle', {
        description:
          'bundle: as the bundle was built. fp16 and tf32 are faster and less exact than fp32; the golden image decides whether the engine is taken',
      }),
      workspace: key(integer(64, 65536), 1024, { description: 'Memory TensorRT may use as scratch, building and running', unit: 'MiB' }),
      timeout: key(integer(10, 86400), 3600, { description: 'A build that takes longer is ended; the next provider runs', unit: 's' }),
      trtexec: optionalPath('The program that builds. null: trtexec on the PATH, else in /usr/src/tensorrt/bin'),
    }),
  }),

  quality: section('Pictures that are not judged: they get an ERROR verdict with code 304 or 305.', {
    minMean: key(number(0, 255), 8, { description: 'Darkest mean brightness', unit: '0..255' }),
    maxMean: key(number(0, 255), 247, { description: 'Brightest mean brightness', unit: '0..255' }),
    meanTolerance: key(number(0.01, 1), 0.35, {
      description: "Mean brightness may differ from that of the recipe's good parts by this share",
      unit: '0..1',
    }),
    minSharpness: key(number(0, 1), 0.3, {
      description: "Sharpness must reach this share of that of the recipe's good parts",
      unit: '0..1',
    }),
  }),

  log: section('The log of decisions.', {
    minFree: key(integer(16, 1048576), 512, {
      description: 'Below this free space of the data directory the station is not ready (code 501)',
      unit: 'MiB',
    }),
    ballast: key(integer(0, 4096), 64, {
      description: 'Size of log.ballast, a file that is given up when the disk is full, so that verdicts can be written. 0: none',
      unit: 'MiB',
    }),
    keepDays: key(integer(1, 36500), 1095, {
      description: 'Records older than this are removed, oldest first, once they were delivered and their pictures are gone',
      unit: 'd',
    }),
    keepRows: key(integer(10_000, 1_000_000_000), 20_000_000, { description: 'The same above this number of records; about 1 kB each' }),
    outbox: key(integer(10_000, 1_000_000_000), 1_000_000, {
      description:
        'Records that wait for the broker, at the most: of more, the oldest are removed undelivered where keepDays or keepRows say so (alarm 807)',
    }),
  }),

  images: section('How long pictures are kept. Days are days that the station lived, not days of its clock; see docs/log.md.', {
    okDays: key(integer(1, 36500), 30, { description: 'Pictures of PASS', unit: 'd' }),
    notOkDays: key(integer(1, 36500), 180, {
      description: 'Pictures of FAIL, UNDECIDED and ERROR that somebody has judged (log label), and one in oneIn of PASS',
      unit: 'd',
    }),
    unreviewedDays: key(integer(1, 36500), 365, { description: 'The same while nobody has judged them', unit: 'd' }),
    protectDays: key(integer(0, 36500), 14, {
      description: 'So young, what nobody has judged is never deleted, not even for space',
      unit: 'd',
    }),
    oneIn: key(integer(1, 1_000_000), 100, { description: 'One in so many pictures of PASS is kept as long as notOkDays says' }),
    maxSize: key(integer(16, 100_000_000), 51_200, {
      description: 'All pictures together; above it the least needed go first',
      unit: 'MiB',
    }),
    minFree: key(integer(16, 1048576), 2048, {
      description: 'Free space of the data directory below which pictures are deleted. Not below log.minFree',
      unit: 'MiB',
    }),
  }),

  watch: section('Alarms of a line that nobody watches; see docs/watch.md. None of them makes a verdict, and none makes a reject a pass.', {
    rejectsInRow: key(integer(0, 1000), 5, { description: 'So many parts in a row that are no PASS: alarm 801. 0: never' }),
    haltOnRejects: key(flag(), false, {
      description: 'With alarm 801 the station halts as by command 6, until command 1 (automatic) or 7 (reset)',
    }),
    noReject: key(integer(0, 100_000_000), 5000, {
      description: 'So many parts in a row without a reject: alarm 802; the line is perfect, or blind. 0: never',
    }),
    noTrigger: key(integer(0, 1440), 30, {
      description: 'So long without a trigger during a shift, while Operational: alarm 803. Without line.shifts never. 0: never',
      unit: 'min',
    }),
    baseline: key(integer(50, 100_000), 1000, {
      description: 'Good parts of a recipe that its control charts learn from (alarms 804 to 806), once',
    }),
  }),

  evidence: section('Pictures kept of parts, written after the verdict has left.', {
    pictures: key(z.enum(['all', 'notOk', 'none']), 'notOk', { description: 'Which parts get a picture; notOk: every verdict but PASS' }),
    onePassIn: key(integer(0, 1000000), 0, {
      description: 'With notOk: of so many parts that pass, one gets a picture as well. 0: none',
    }),
    full: key(z.enum(['all', 'notOk', 'none']), 'none', {
      description:
        'Whose picture is the whole frame, up to 4096 px wide, and not one of `width`. Memory: a frame for each of 6 slots, and at most two more in work. Where pictures come too fast they get `width` all the same',
    }),
    heatmaps: key(flag(), true, { description: 'Beside each picture, one with the anomaly map laid over' }),
    width: key(integer(64, 4096), 1024, { description: 'Width of the picture', unit: 'px' }),
    quality: key(integer(1, 100), 85, { description: 'JPEG quality', unit: '1..100' }),
  }),

  plc: section('The link to the PLC over MQTT; see docs/mqtt.md.', {
    url: key(z.string().max(1024).refine(isBrokerUrl).nullable(), null, {
      description: 'MQTT broker. null: the one on this machine, mqtt:// with broker.host and broker.port',
      expected: 'mqtt://HOST[:PORT] or mqtts://HOST[:PORT], without user, password or path',
    }),
    baseTopic: key(baseTopic.nullable(), null, {
      description: "First levels of every topic. null: verdictd/ and the station's name",
      expected: '1 to 4 levels of A-Z, a-z, 0-9, _ . : - parted by "/", at most 50 characters, no wildcard',
    }),
    ttl: key(integer(100, 60000), 1500, {
      description: 'Time to live of a verdict, from trigger to publish: older ones are never ok. The PLC waits as long (T_result)',
      unit: 'ms',
    }),
    margin: key(integer(10, 30000), 200, { description: 'So long before ttl a part without a verdict is answered with ok 0', unit: 'ms' }),
    heartbeat: key(integer(100, 10000), 1000, { description: 'Period of the heartbeat', unit: 'ms' }),
    onBrokerLoss: key(z.enum(['hold', 'log']), 'hold', {
      description: 'Without a broker: hold: the station halts. log: it goes on inspecting, for the log alone',
    }),
    acceptSimulated: key(flag(), false, {
      description:
        'For commissioning: simulated parts may open the gate, for one run: on the command line alone (--set), never in a file or an environment. Refused with a real camera; raises an alarm',
    }),
    username: key(z.string().min(1).max(256).nullable(), null, {
      description: 'User name at the broker',
      expected: 'a user name of 1 to 256 characters',
    }),
    passwordFile: optionalPath(
      'File that holds the password and nothing else, readable by no other user. credential:NAME, here and in the keys below, is the systemd credential of that name (LoadCredential=NAME:FILE in the unit)',
    ),
    caFile: optionalPath('Certificate authorities (PEM) the broker must be signed by. null: those of the system'),
    certFile: optionalPath('Certificate (PEM) of this station, where the broker asks for one'),
    keyFile: optionalPath('Private key (PEM, no passphrase) of certFile, readable by no other user'),
  }),

  broker: section('A broker on this machine.', {
    embedded: key(flag(), false, {
      description: 'Run one inside verdictd, for the demo: it knows no users and listens on this machine only',
    }),
    host: key(z.enum(['127.0.0.1', '::1', 'localhost']), '127.0.0.1', { description: 'Address it listens on' }),
    port: key(integer(1, 65535), 1883, { description: 'Port it listens on' }),
  }),

  demo: section('Stand-ins for the demo.', {
    plc: key(flag(), false, { description: 'Play the PLC: send a trigger for each part and check the answers' }),
    period: key(integer(50, 60000), 1000, { description: 'Time from part to part', unit: 'ms' }),
  }),

  diagnostics: section('Messages on stderr about verdictd itself; decisions are in the log.', {
    level: key(z.enum(levels), 'info', { description: 'From this level on. The option --log-level goes before' }),
  }),
});

/** The values as the schema gives them, every default filled in. */
export type Values = z.output<typeof schema>;
