// One id per request, in every answer and every log line. A caller's own id is not taken over: it could be anything.
import { base32, type RandomBytes } from '../../protocol/units.ts'

export const newRequestId = (random: RandomBytes): string => `req_${base32(random(15))}`
