// Preloaded (node -r), in workers too: an onnxruntime whose TensorRT provider loads "engines" that are ONNX files, run on the CPU.
// What it does is told by the environment: FAKE_TENSORRT_PLAIN=refuses makes it fail on models that are no engine.
const { existsSync, readFileSync } = require('node:fs');
const { basename, dirname, join } = require('node:path');
const onnxruntime = require('onnxruntime-node');

const { create } = onnxruntime.InferenceSession;
onnxruntime.InferenceSession.create = (model, options) => {
  if (options.executionProviders[0] !== 'tensorrt') return create(model, options);
  const cpu = { ...options, executionProviders: ['cpu'], extra: {} };
  if (typeof model !== 'string' && model.length < 16) return create(model, cpu); // asked whether the libraries load
  const engine = typeof model === 'string' ? join(dirname(model), 'model.engine') : '';
  if (typeof model === 'string' && basename(model) === 'model.onnx' && existsSync(engine)) {
    const wrapper = readFileSync(model, 'latin1');
    for (const part of ['EPContext', 'com.microsoft', 'model.engine', 'TensorrtExecutionProvider']) {
      if (!wrapper.includes(part)) return Promise.reject(new Error(`the wrapper has no ${part}`));
    }
    if (options.extra?.session?.disable_cpu_ep_fallback !== '1') return Promise.reject(new Error('nodes could fall back to the CPU'));
    return create(engine, cpu).catch(() => Promise.reject(new Error('TensorRT EP could not deserialize engine from cache')));
  }
  if (process.env.FAKE_TENSORRT_PLAIN === 'refuses') return Promise.reject(new Error('TensorRT EP failed to create engine'));
  return create(model, cpu);
};

const supported = onnxruntime.listSupportedBackends;
Object.defineProperty(onnxruntime, 'listSupportedBackends', {
  value: () => [...supported().filter(({ name }) => name !== 'tensorrt'), { name: 'tensorrt', bundled: false }],
});
