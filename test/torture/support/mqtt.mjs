// The MQTT client that verdictd depends on, for ES modules.
import { createRequire } from 'node:module';

export const { connect } = createRequire(import.meta.url)('mqtt');
