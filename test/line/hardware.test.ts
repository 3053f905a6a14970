/** The line with a hardware trigger: each way a pairing fails, and then thousands of random lines with a PLC that keeps the contract. */
import { Code } from '../../src/codes';
import { settle } from '../fakes/clock';
import { hardwareRig } from '../fakes/hardware';

describe('mismatches', () => {
  test('a second exposure takes the pass back, closes what is open, and refuses until reset', async () => {
    const { line, clock, announce, expose, publisher, log } = hardwareRig();
    announce(1);
    await clock.advance(100);
    expose(0);
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'result 1 ok 1']);
    expose(1); // a bounce
    announce(2);
    await settle();
    expect(publisher.wire.slice(3)).toEqual(['refuse 1 206', 'ack 2 206']);
    expect(log.events).toEqual([expect.stringMatching(/^revoked: .* seq 1:/)]);
    announce(1); // repeated: the answer is the no of now
    expect(publisher.wire.slice(5)).toEqual(['ack 1 0', 'refuse 1 206']);
    line.reset();
    announce(3);
    await clock.advance(50);
    expose(2);
    await settle();
    expect(publisher.wire.slice(7)).toEqual(['ack 3 0', 'acquired 3', 'result 3 ok 1']);
  });

  test('no exposure: 206 in time, counted from the latest edge there could have been', async () => {
    const { clock, announce, publisher, line } = hardwareRig();
    announce(1);
    await clock.advance(1000 + 1299);
    expect(publisher.wire).toEqual(['ack 1 0']);
    await clock.advance(1);
    expect(publisher.wire).toEqual(['ack 1 0', 'refuse 1 206']);
    expect(line.openParts).toBe(0);
  });

  test('a second announcement: neither is inspected, and the picture that then comes is nobodys', async () => {
    const { clock, announce, expose, publisher, log } = hardwareRig();
    announce(1);
    announce(2);
    await clock.advance(100);
    expect(expose(0).releases()).toBe(1);
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'refuse 1 206', 'ack 2 206']);
    expect(log.rows.map(({ code, score }) => [code, score])).toEqual([[206, null]]);
  });

  test('what was inspected under a mismatch is not evidence of the part', async () => {
    const { clock, announce, expose, model, publisher, log } = hardwareRig();
    const answer = model.hold();
    announce(1);
    await clock.advance(100);
    expose(0);
    expose(2); // a gap
    answer();
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'refuse 1 206']);
    expect(log.rows).toMatchObject([{ code: Code.mismatch, score: null, released: 0, late: true }]);
  });

  test('edges without a frame, a lost camera and a lost broker with parts under way', async () => {
    for (const fail of ['edges', 'camera', 'broker'] as const) {
      const { line, clock, announce, publisher } = hardwareRig();
      announce(1);
      await clock.advance(10);
      if (fail === 'edges') line.edges(1);
      else if (fail === 'camera') line.cameraLost(Code.cameraLost, 'cable');
      else line.disconnected();
      announce(2);
      await settle();
      expect(publisher.wire).toEqual(['ack 1 0', 'refuse 1 206', 'ack 2 206']);
    }
  });

  test('a camera lost while nothing is under way comes back alone', async () => {
    const { line, clock, announce, expose, publisher } = hardwareRig();
    line.cameraLost(Code.cameraLost, 'cable');
    announce(1);
    await clock.advance(100);
    expose(0);
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'result 1 ok 1']);
  });

  test('age and deadline count from the exposure', async () => {
    const { clock, announce, expose, model, publisher, reports } = hardwareRig();
    const answer = model.hold();
    announce(1);
    await clock.advance(900);
    expose(0);
    await clock.advance(1299); // margin 200 of 1500
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1']);
    answer();
    await settle();
    expect(publisher.wire).toEqual(['ack 1 0', 'acquired 1', 'result 1 ok 1']);
    expect(reports[0]?.age).toBe(1299);
  });
});
