import type { Config } from '../config/load';
import { type LinkDeps, MqttLink } from '../plc/link';

/** The MQTT link as the configuration wants it. Throws CONFIG_INVALID for a base topic that cannot be used. */
export function linkOf(config: Config, deps: LinkDeps): MqttLink {
  const { url, baseTopic, ttl, heartbeat, acceptSimulated, username, passwordFile, caFile, certFile, keyFile } = config.plc;
  return new MqttLink(
    {
      url,
      station: config.station.name,
      base: baseTopic,
      ttl,
      heartbeat,
      acceptSimulated,
      triggerMode: config.trigger.source === 'mqtt' ? 'software' : config.trigger.source,
      maxOpen: config.line.maxOpen,
      username,
      passwordFile,
      caFile,
      certFile,
      keyFile,
    },
    deps,
  );
}
