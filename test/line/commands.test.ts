/** The command table, and what the commands about the line's running do. */
import { Code } from '../../src/codes';
import { type CommandName, Commands } from '../../src/line/commands';
import { modeHandlers } from '../../src/line/modes';
import { type Facts, firstFacts, stateOf } from '../../src/line/states';
import { FakeClock, settle } from '../fakes/clock';

function rig() {
  const clock = new FakeClock();
  const facts: Facts = { ...firstFacts(false), started: true };
  const commands = new Commands();
  const shots: (() => void)[] = [];
  const line = {
    halt: () => undefined,
    reset: () => undefined,
    abort: () => undefined,
    openParts: 0,
    shoot: () => new Promise<void>((over) => shots.push(over)),
  };
  const code = () => stateOf(facts).code;
  commands.handle(
    modeHandlers({
      line: () => line,
      facts,
      changed: () => undefined,
      code,
      clearStats: () => undefined,
      acknowledge: () => undefined,
      clock,
    }),
  );
  let release: () => void = () => undefined;
  const long = new Promise<void>((resolve) => (release = resolve));
  commands.handle({ teachCommit: () => long });
  const answered: string[] = [];
  const say = (name: CommandName) => void commands.run(name, '').then(({ ok, code: why }) => answered.push(`${name} ${ok} ${why}`));
  return { clock, facts, shots, say, answered, release: () => release() };
}

test.each(['automatic', 'reset', 'continuous'] as const)(
  '%s, sent behind a long command and before a halt, never ends that halt',
  async (name) => {
    const { facts, say, answered, release, shots } = rig();
    say('teachCommit');
    say(name);
    say('halt');
    await settle();
    expect(facts).toMatchObject({ halted: true, execution: '' });
    release();
    await settle();
    expect(facts).toMatchObject({ halted: true, execution: '' });
    expect(shots.length).toBeLessThanOrEqual(1); // the one part of a continuous execution that was ended
    expect(answered).toEqual([`${name} 1 0`, 'halt 1 0', 'teachCommit 1 0']);
  },
);

test.each(['halt', 'stop', 'abort'] as const)('a single job that waits behind a long command is called off by %s', async (name) => {
  const { say, answered, release, shots } = rig();
  say('teachCommit');
  say('singleJob');
  say(name);
  say('automatic');
  await settle();
  release();
  await settle();
  expect(shots).toHaveLength(0);
  expect(answered).toContain('singleJob 0 202');
  say('singleJob');
  await settle();
  expect(shots).toHaveLength(1); // one that comes later is none of its business
});

test('continuous execution ends where the camera is lost; back it is Ready, and nothing shoots', async () => {
  const { clock, facts, say, shots } = rig();
  say('continuous');
  await settle();
  shots.shift()?.();
  await clock.advance(300);
  expect(shots).toHaveLength(1);
  facts.cameraLost = true;
  shots.shift()?.(); // the part under way has got its 301
  await clock.advance(5_000);
  expect(shots).toHaveLength(0);
  expect(facts.execution).toBe('');
  facts.cameraLost = false;
  await clock.advance(5_000);
  expect(shots).toHaveLength(0);
  expect(stateOf(facts)).toMatchObject({ ready: 1, code: Code.ok });
});
