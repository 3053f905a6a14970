/** The keys of a camera over the Aravis library. */
import { z } from 'zod';
import { flag, integer, key, number, path, section } from './key';
import { pixelFormats } from './pixels';

const name = () => z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/);
const nameExpected = 'a name as `verdictd camera features` spells it';

export const aravis = section(
  'A USB3 Vision or GigE Vision camera of any make over the Aravis library; see docs/camera.md. Keys that begin with a capital are features of the camera, spelled as SFNC spells them. Exposure, gain, balance, format and region of a recipe go before those here.',
  {
    device: key(
      z
        .string()
        .regex(/^[A-Za-z0-9_.:-]{1,128}$/)
        .nullable(),
      null,
      {
        description:
          "Serial number of the camera, Aravis' name of it, or its IP address: with an address it is opened without a search, which takes a second. null: the only one there is",
        expected: 'a serial number, a name of `verdictd camera list`, or an IP address',
      },
    ),
    library: key(
      path()
        .refine((text) => text.startsWith('/'))
        .nullable(),
      null,
      {
        description:
          'File of the Aravis library, by its absolute path. null: $VERDICTD_ARAVIS_LIBRARY, else libaravis-0.8.so.0 or libaravis-0.10.so.0 where the system has it',
        expected: 'an absolute path',
      },
    ),
    UserSetSelector: key(name().nullable(), 'Default', {
      description:
        'User set that is loaded first, where the camera has any; everything below is written over it. null: none is. Nothing is ever saved in the camera',
      expected: nameExpected,
    }),
    TriggerSource: key(name().nullable(), null, {
      description:
        'Line that triggers exposures, such as Line1. Only with trigger.source freeRun: its frames belong to no sequence number. null: software trigger with trigger.source mqtt, else the camera runs free',
      expected: nameExpected,
    }),
    TriggerActivation: key(z.enum(['RisingEdge', 'FallingEdge']), 'RisingEdge', { description: 'Edge of the line that triggers' }),
    TriggerDelay: key(number(0, 1000000), 0, { description: "From edge to exposure; 0: the camera's least", unit: 'us' }),
    AcquisitionFrameRate: key(number(0.1, 1000).nullable(), null, {
      description: "Exposures when it runs free. null: the camera's own",
      unit: 'Hz',
    }),
    ExposureTime: key(number(1, 30000000), 5000, { description: 'Exposure', unit: 'us' }),
    Gain: key(number(0, 60), 0, { description: 'Gain; 0 also does for a camera without', unit: 'dB' }),
    BalanceRatioRed: key(number(0.1, 16).nullable(), null, { description: "Gain of red against green. null: the user set's" }),
    BalanceRatioBlue: key(number(0.1, 16).nullable(), null, { description: "Gain of blue against green. null: the user set's" }),
    PixelFormat: key(z.enum(pixelFormats).nullable(), null, { description: "Format of the frames. null: the user set's" }),
    Width: key(integer(4, 16384).nullable(), null, { description: 'Width of the region. null: all of the sensor', unit: 'px' }),
    Height: key(integer(4, 16384).nullable(), null, { description: 'Height of the region. null: all of the sensor', unit: 'px' }),
    OffsetX: key(integer(0, 16384), 0, { description: 'Left edge of the region', unit: 'px' }),
    OffsetY: key(integer(0, 16384), 0, { description: 'Upper edge of the region', unit: 'px' }),
    BinningHorizontal: key(integer(1, 4), 1, { description: 'Pixels that become one, across' }),
    BinningVertical: key(integer(1, 4), 1, { description: 'Pixels that become one, down' }),
    ReverseX: key(flag(), false, { description: 'Mirror left and right' }),
    ReverseY: key(flag(), false, { description: 'Mirror top and bottom' }),
    DeviceLinkThroughputLimit: key(integer(1000000, 2000000000).nullable(), null, {
      description: "What the camera may send, rounded down to its own steps. null: the user set's",
      unit: 'bytes/s',
    }),
    features: key(z.array(z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}(=[^\n]{0,256})?$/)).max(64), [], {
      description:
        'Further features in the order in which they are set, before the trigger is switched on: NAME=VALUE, or the name of a command. For what a make has beside the standard, such as LineDebouncerTime=1000 after LineSelector=Line1',
      expected: 'a list of NAME=VALUE, or of names of commands',
    }),
    buffers: key(integer(2, 100), 10, { description: 'Frames the host has room for' }),
    packetSize: key(integer(576, 16000).nullable(), null, {
      description:
        'GigE: size of a packet; needs a network that carries it (MTU), end to end. null: tried out with the camera at each start',
      unit: 'bytes',
    }),
    packetDelay: key(integer(0, 1000000).nullable(), null, {
      description: "GigE: pause between packets, for several cameras on one network. null: the camera's own",
      unit: 'ns',
    }),
    socketBuffer: key(integer(1, 256), 16, {
      description: 'GigE: what the kernel keeps of packets not fetched yet; net.core.rmem_max bounds it (`verdictd doctor`)',
      unit: 'MiB',
    }),
    packetSocket: key(flag(), false, {
      description:
        'GigE: receive beside the IP stack of the kernel: less work for fast cameras, needs CAP_NET_RAW, and nothing comes over loopback',
    }),
    strobeLine: key(name().nullable(), null, { description: 'Output that is on while exposing', expected: nameExpected }),
    acceptLine: key(name().nullable(), null, {
      description: 'Output that is energised for an accepted part (ok 1), and for nothing else; wire it so that at rest it means reject',
      expected: nameExpected,
    }),
    acceptPulse: key(integer(5, 10000), 100, { description: 'So long', unit: 'ms' }),
    frameTimeout: key(integer(50, 60000), 500, {
      description: 'Beyond exposure and transfer, a frame that takes longer is late and not judged (code 302)',
      unit: 'ms',
    }),
  },
);
