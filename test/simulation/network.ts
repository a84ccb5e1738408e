// Everything that is sent in a simulated world: requests to guards and to databases, and their answers. What is lost, late, repeated or
// done without anybody hearing of it is decided here, by the world's one stream of chance.
import type { Carry } from './book-disk.ts'
import type { Faults } from './faults.ts'
import { Planned, type Life, type World } from './world.ts'

/** ms after which a caller whose answer never comes gives up */
const SILENCE_MS = 30_000

export class Network {
  constructor(
    readonly world: World,
    /** replaced when the faults end */
    public faults: Faults,
  ) {}

  /** Asks a guard. `execute` is one step of the world; it may happen, fail to, happen twice, or happen unheard. */
  ask<T>(from: Life, label: string, execute: () => Promise<T>): Promise<T> {
    const { world } = this
    const { random } = world
    return new Promise((resolve, reject) => {
      const answer = (ms: number, text: string, settle: () => void) =>
        world.after(ms, '', () => {
          if (!from.alive) return
          world.log(`  ${text} ${label}`)
          settle()
        })
      if (random.chance(this.faults.requestLost))
        return void answer(this.#delay(), 'lost', () => reject(new Planned('the request was lost')))
      const deliver = (isEcho: boolean, ms: number) =>
        world.after(ms, `${isEcho ? 'again ' : ''}${label}`, () => {
          execute().then(
            (value) => {
              if (isEcho) return
              if (random.chance(this.faults.replyLost))
                answer(this.#delay(), 'reply lost', () => reject(new Planned('the reply was lost')))
              else if (random.chance(this.faults.noReply))
                answer(SILENCE_MS, 'no reply', () => reject(new Planned('no reply came')))
              else answer(this.#delay(), '->', () => resolve(value))
            },
            (error: unknown) => {
              if (!(error instanceof Planned)) world.broken('a guard threw', `${label}: ${String(error)}`)
              if (!isEcho) answer(this.#delay(), 'error', () => reject(error))
            },
          )
        })
      const ms = this.#delay()
      deliver(false, ms)
      if (random.chance(this.faults.duplicate)) deliver(true, ms + random.between(1, 20_000))
    })
  }

  /** A database's way: `who` may be dead when the answer comes. */
  carry(who: Life, name: string): Carry {
    const { world } = this
    const { random } = world
    return (label, work) =>
      new Promise((resolve, reject) => {
        if (!who.alive) return
        const late = () => (random.chance(this.faults.bookLate) ? random.between(1, 40_000) : random.between(1, 20))
        const fails = (text: string) => world.after(late(), '', () => who.alive && reject(new Planned(text)))
        if (random.chance(this.faults.bookFailsBefore)) return void fails('the database did not answer')
        world.after(late(), `${name}.${label}`, () => {
          try {
            const result = work()
            if (random.chance(this.faults.bookFailsAfter)) return void fails('the database’s answer was lost')
            world.after(late(), '', () => who.alive && resolve(result))
          } catch (error) {
            world.log(`  ${name} refused: ${String(error)}`)
            world.after(late(), '', () => who.alive && reject(error))
          }
        })
      })
  }

  #delay(): number {
    const { random } = this.world
    return random.chance(this.faults.late) ? random.between(1_000, 60_000) : random.between(1, 40)
  }
}
