/** What a person does about a broker that cannot be talked to. */

const advice: readonly [RegExp, string][] = [
  [/self.signed|unable to (verify|get)/i, "Set plc.caFile to the authority that signed the broker's certificate"],
  [
    /alert.*(certificate|unknown ca|handshake|access denied|decrypt)/i,
    'The broker refuses the certificate of this station: plc.certFile must be signed by an authority that the broker trusts, and be valid today',
  ],
  [/certificate.*(expired|not yet valid)/i, "Renew the broker's certificate, or set the clock of this machine"],
  [/altnames|hostname\/ip/i, "Use in plc.url a name that the broker's certificate carries, or have one made for this name"],
  [/wrong version number|packet length too long|EPROTO/i, 'That port does not speak TLS: correct plc.url (TLS is usually port 8883)'],
  [/not authorized|bad user/i, 'Set plc.username and plc.passwordFile to a user the broker knows'],
];

/** A broker that hangs up without a word: with TLS it may not have understood one. */
const hungUp = /ECONNRESET|EPIPE|closed the connection|socket disconnected|no answer/i;

/** One sentence without its full stop. `why`: as the network or TLS library says it. */
export function adviceFor(why: string, url: string): string {
  const known = advice.find(([pattern]) => pattern.test(why))?.[1];
  if (known !== undefined) return known;
  return hungUp.test(why) && url.startsWith('mqtts:')
    ? "Check that this port speaks TLS (usually 8883), that plc.certFile is given where the broker asks for one, and the broker's own log"
    : 'Start the broker, or correct plc.url';
}
