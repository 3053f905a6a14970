/** onnxruntime, loaded when a model is built and not before: `verdictd --help` needs no 35 MB library. */
export function runtime(): typeof import('onnxruntime-node') {
  process.env.ORT_DISABLE_TELEMETRY = '1'; // of versions that have any; before the library is loaded
  return require('onnxruntime-node') as typeof import('onnxruntime-node');
}
