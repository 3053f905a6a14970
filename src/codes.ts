/**
 * What a verdict can say, in the numbers of the MQTT contract (version 1) and in the words people read.
 *
 * Source of the two enumerations: OPC 40001-101 (Machinery Result Transfer), ResultEvaluationEnum and ResultState.
 * The codes are the contract's own; a leaf file, so that every room can name them.
 */

export const Evaluation = { Undefined: 0, OK: 1, NotOK: 2, NotDecidable: 3 } as const;
export type Evaluation = (typeof Evaluation)[keyof typeof Evaluation];

export const ResultState = { Undefined: 0, Completed: 1, Processing: 2, Aborted: 3, Failed: 4 } as const;
export type ResultState = (typeof ResultState)[keyof typeof ResultState];

/** resultEvaluationCode: one row a reason. `text` is what a person reads beside the number, `fix` what they can do. */
export const codes = {
  0: { name: 'ok', text: 'ok', fix: '' },
  101: { name: 'anomaly', text: 'score above the limit', fix: 'look at the part and at its heatmap' },
  102: { name: 'greyZone', text: 'score inside the grey zone', fix: 'let a person decide, then label the part' },
  201: { name: 'busy', text: 'more parts open than maxOpen', fix: 'trigger more slowly, or raise line.maxOpen' },
  202: { name: 'notReady', text: 'not ready, or the wrong mode', fix: 'wait for ready 1 on the heartbeat; `state` gives the reason' },
  203: { name: 'usedSeq', text: 'sequence number already used', fix: 'continue at lastSeq + 1 of the heartbeat' },
  204: { name: 'wrongRecipe', text: 'another recipe is in force', fix: 'switch the recipe by command, then trigger' },
  205: { name: 'badPayload', text: 'trigger payload not readable', fix: 'see docs/mqtt.md, section "trigger"' },
  206: { name: 'mismatch', text: 'hardware trigger and announcement do not match', fix: 'clear the approach, then send cmd 7 (reset)' },
  207: { name: 'noSeq', text: 'free run: no sequence number', fix: 'use triggers where a gate acts on the verdict' },
  301: { name: 'cameraLost', text: 'camera lost', fix: 'check cable, power and USB; it reconnects alone' },
  302: { name: 'cameraTimeout', text: 'no frame in time', fix: 'check trigger wiring and ExposureTime' },
  303: {
    name: 'incompleteFrame',
    text: 'frame incomplete, unreadable or of the wrong size',
    fix: 'check cable, USB bandwidth, the image file',
  },
  304: { name: 'brightness', text: 'too dark or too bright for this recipe', fix: 'check the light, ExposureTime and Gain' },
  305: { name: 'blur', text: 'blurred against this recipe', fix: 'check focus, ExposureTime and vibration' },
  306: { name: 'frozenFrame', text: 'the same frame again', fix: 'reset the camera' },
  307: { name: 'wrongPart', text: 'looks like another product', fix: 'check the recipe and the part' },
  401: { name: 'providerLost', text: 'execution provider lost', fix: 'run `verdictd doctor`' },
  402: { name: 'tooLate', text: 'no verdict in time', fix: 'compare processing time with plc.ttl; see `verdictd bench`' },
  403: { name: 'notANumber', text: 'the model gave NaN or infinity, or failed', fix: 'see the diagnostics; run `verdictd doctor`' },
  404: { name: 'selfTest', text: 'self-test failed', fix: 'run `verdictd doctor`' },
  501: { name: 'diskLow', text: 'disk low', fix: 'free space in the data directory' },
  502: { name: 'logUnavailable', text: 'the verdict could not be logged in time', fix: 'check the disk of the data directory' },
  601: { name: 'noRecipe', text: 'no recipe in force', fix: 'teach one: verdictd teach --recipe ID --good DIR' },
  602: { name: 'masterDue', text: 'master part check due', fix: 'run the master parts' },
  603: { name: 'notCalibrated', text: 'the limit is provisional', fix: 'show more good parts, or set recipe.acceptProvisional' },
  604: { name: 'bundleRefused', text: 'bundle refused', fix: 'run `verdictd model verify`' },
  605: { name: 'simulated', text: 'simulated camera or replay', fix: 'nothing: a simulated part never opens a gate' },
  606: { name: 'teaching', text: 'teaching or master check in progress', fix: 'wait until it ends' },
  701: { name: 'expired', text: 'older than its time to live', fix: 'compare processing time with plc.ttl' },
  702: { name: 'foreignRig', text: 'another rig answers on this station name', fix: 'give each station its own name' },
  703: { name: 'plcSilent', text: 'the PLC fell silent', fix: 'check the PLC and its heartbeat' },
} as const satisfies Record<number, { name: string; text: string; fix: string }>;

export type Code = keyof typeof codes;

/** The code called `name`; spelled by name where the number would be a riddle. */
type CodeName = (typeof codes)[Code]['name'];
export const Code = Object.fromEntries(Object.entries(codes).map(([number, row]) => [row.name, Number(number)])) as {
  [N in CodeName]: { [C in Code]: (typeof codes)[C]['name'] extends N ? C : never }[Code];
};

/**
 * Alarms that no verdict carries: what goes on for a while on a line that nobody watches. Their numbers are none of the reasons above;
 * they stand on `alarm/<code>` alone.
 */
export const watchAlarms = {
  801: { name: 'rejectsInRow', text: 'many rejects one after another', fix: 'look at the last pictures: parts, light, fixture, recipe' },
  802: { name: 'noReject', text: 'no reject for a long time: perfect, or blind', fix: 'show a part known to be bad' },
  803: { name: 'noTrigger', text: 'no trigger during a shift', fix: 'check the PLC and its link, or line.shifts' },
  804: {
    name: 'scoreDrift',
    text: 'scores of good parts have drifted',
    fix: 'compare new good parts with the shots; teach again if they changed',
  },
  805: { name: 'brightnessDrift', text: 'brightness of good parts has drifted', fix: 'check lamp, window and aperture; clean them' },
  806: {
    name: 'focusDrift',
    text: 'sharpness of good parts has drifted',
    fix: 'check focus, window, vibration and the distance of the parts',
  },
  807: {
    name: 'journalDropped',
    text: 'journal records were removed undelivered',
    fix: 'bring the broker back; they are gone, and counted',
  },
} as const satisfies Record<number, { name: string; text: string; fix: string }>;

export type WatchAlarm = keyof typeof watchAlarms;
export type AlarmCode = Code | WatchAlarm;

/** Every alarm there can be: those of a reason, and those of the watch. */
export const alarms: Readonly<Record<AlarmCode, { name: string; text: string; fix: string }>> = { ...codes, ...watchAlarms };

/** The word people read everywhere. */
export type Word = 'PASS' | 'FAIL' | 'UNDECIDED' | 'ERROR';
