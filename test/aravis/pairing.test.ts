/** No part is judged by the picture of another: over Aravis frames are timed by their arrival, so no time stamp tells a late one. */
import { Code } from '../../src/codes';
import { type Judged, lineOver } from '../line/over_camera';
import { aravis, describeAravis, kill, plug, stall } from './simulator';

describeAravis('a frame that comes after its trigger was given up', () => {
  beforeAll(() => plug());
  afterAll(kill);

  test('is not the next part', async () => {
    const notices: string[] = [];
    // A trigger is given up after 210 ms. A large frame takes its time after a trigger that took longer than that.
    const camera = aravis({ frameTimeout: 0, settings: { Width: 2048, Height: 2048 }, notice: (text) => notices.push(text) });
    const fire = camera.fire.bind(camera);
    let slow = false;
    camera.fire = () => {
      if (slow) stall(700);
      slow = false;
      return fire();
    };
    const { part, stop } = lineOver(camera);
    const judged: Judged[] = [];
    const late = () => judged.filter(({ code }) => code === Code.cameraTimeout).length;
    try {
      while (judged.length < 60 && (late() < 2 || judged.at(-1)?.frameId == null)) {
        slow = judged.at(-1)?.frameId != null;
        judged.push(await part());
      }
    } finally {
      await stop();
    }
    expect(late()).toBeGreaterThanOrEqual(2);
    expect(judged.at(-1)?.frameId).not.toBeNull();
    // After a trigger that was given up, nothing of its stream is a part.
    for (const [n, { stream, code }] of judged.entries()) {
      if (code === Code.cameraTimeout) expect(judged.slice(n + 1).filter((one) => one.stream === stream)).toEqual([]);
    }
    expect(notices).toContainEqual(expect.stringMatching(/^frames are timed by their arrival/));
  }, 60_000);
});
