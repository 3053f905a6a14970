/** The one door to onnxruntime: the build of VERDICTD_ORT_DIR where that is set, else npm's. Importing it may throw, see ort_dir.ts. */
import { provenMapped, redirectBinding } from './ort_dir';

const dir = redirectBinding(process.env);

export { env, InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';

if (dir !== null) provenMapped(dir);
