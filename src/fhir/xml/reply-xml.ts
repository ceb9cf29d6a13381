import { parseJson } from '../../model/json.ts'
import { writeXml } from './write-xml.ts'

/** A reply of this server, JSON text or bytes, in XML. */
export const xmlOfReply = (json: Uint8Array | string, isPretty: boolean): string =>
  writeXml(parseJson(typeof json === 'string' ? Buffer.from(json) : json, { depthMax: REPLY_DEPTH_MAX }), isPretty)

/** Bundles and Parameters put a few levels around what was sent. */
const REPLY_DEPTH_MAX = 1000
