// A callback that throws: every event is still told, and the exception is an uncaught one.
const { native } = require('../../../dist/native.js');

const input = { width: 4, height: 4, resize: 'bicubic', fit: 'squash', mean: [0, 0, 0], std: [1, 1, 1] };
const image = { width: 8, height: 8, stride: 8, pixelFormat: 'Mono8', data: new Uint8Array(64) };
const ring = native().createRing({ slots: 4, width: 4, height: 4 });
const seen = [];
let uncaught = 0;
process.on('uncaughtException', () => uncaught++);
const camera = new (native().Camera)({ backend: 'pushed' }, (event) => {
  seen.push(event.kind);
  if (event.kind === 'end') {
    camera.close().then(() => console.log(JSON.stringify({ seen: seen.sort(), uncaught })));
  }
  throw new Error('thrown on purpose');
});
camera.open();
camera.start({ ring: ring.id, input, thumbnailWidth: 64 });
for (let tag = 1; tag <= 3; tag++) camera.push(image, tag, 0);
camera.pushEnd();
