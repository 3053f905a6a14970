// jest runs tests in a realm of its own; onnxruntime-node and the addon check typed arrays against the outer realm's
// constructors (microsoft/onnxruntime #16622). Hand the outer ones in.
const { TestEnvironment } = require('jest-environment-node');

const outer = [
  Float32Array,
  Float64Array,
  Uint8Array,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  BigInt64Array,
  BigUint64Array,
  ArrayBuffer,
];

module.exports = class extends TestEnvironment {
  async setup() {
    await super.setup();
    for (const type of outer) this.global[type.name] = type;
  }
};
