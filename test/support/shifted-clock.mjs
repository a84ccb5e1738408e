// Preloaded into a program (`--import`): its clock is wrong by SOUK_CLOCK_OFF_MS. Only what a program takes for the time is moved, timers run as ever.
const offMs = Number(process.env.SOUK_CLOCK_OFF_MS ?? 0)
const RightDate = Date

globalThis.Date = class Date extends RightDate {
  constructor(...given) {
    if (given.length === 0) super(RightDate.now() + offMs)
    else super(...given)
  }

  static now() {
    return RightDate.now() + offMs
  }
}
