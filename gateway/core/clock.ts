// Time and randomness are needs like any other: rooms get them as arguments, so that tests can move the clock and repeat a draw.
import { instant, type Instant, type RandomBytes } from '../../protocol/units.ts'

export type Clock = () => Instant

export const systemClock: Clock = () => instant(Date.now())

export const systemRandom: RandomBytes = (length) => crypto.getRandomValues(new Uint8Array(length))
