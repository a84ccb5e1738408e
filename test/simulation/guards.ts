// The guards of a simulated world: each is the very ledger the Durable Object runs, over a disk of its own, with a clock that may jump, an
// alarm that may be lost, late or double, and instances that are moved away in the middle of what they do.
import { Account } from '../../gateway/ledger/guard/account.ts'
import type { AccountPort } from '../../gateway/ledger/account-port.ts'
import type { Books } from '../../gateway/ledger/book/book.ts'
import type { Tell } from '../../gateway/ledger/events/event-book.ts'
import type { AccountId } from '../../protocol/units.ts'
import { GuardDisk } from './guard-disk.ts'
import type { Network } from './network.ts'
import { Planned, type Life, type World } from './world.ts'

/** What a guard may reach, for one instance of it. */
export interface Reach {
  accounts(from: Life): (id: AccountId) => AccountPort
  books(from: Life): Books
  events(from: Life): Tell
}

interface Instance extends Life {
  readonly account: Account
  ticking: number
}

export class SimGuard {
  readonly disk: GuardDisk
  skewMs = 0
  /** the furthest its clock ever stood */
  clockMax = 0
  /** a planned fault took the alarm: only a later call or the daily tick helps */
  alarmIsLost = false
  #instance: Instance | null = null
  #cancelAlarm: (() => void) | null = null

  constructor(
    readonly id: AccountId,
    readonly name: string,
    private readonly network: Network,
    private readonly reach: Reach,
  ) {
    this.disk = new GuardDisk(() => this.#scheduleAlarm())
  }

  get isTicking(): boolean {
    return (this.#instance?.ticking ?? 0) > 0
  }

  now(): number {
    return this.#world.now + this.skewMs
  }

  /** One method, inside the guard; the world may move the guard right after. */
  async invoke<T>(method: (account: Account) => Promise<T>): Promise<T> {
    const { random } = this.#world
    const { faults } = this.network
    if (random.chance(faults.clockJumps)) this.#jump()
    const instance = this.#wake()
    if (random.chance(faults.statementFails)) this.disk.failAtStatement = random.below(16)
    const result = await method(instance.account).finally(() => {
      this.disk.failAtStatement = null
    })
    if (random.chance(faults.evicted)) {
      this.evict()
      throw new Planned('the guard was moved before it could answer')
    }
    return result
  }

  /** What it was doing is never finished; the platform runs an alarm again that it had not finished. */
  evict(): void {
    if (!this.#instance) return
    const wasTicking = this.isTicking
    this.#instance.alive = false
    this.#instance = null
    this.#world.log(`  moved ${this.name}`)
    if (wasTicking && this.disk.alarmAt === null && !this.alarmIsLost) {
      this.disk.alarmAt = this.now() + 2_000
      this.#scheduleAlarm()
    }
  }

  /** The alarm's work, and the daily tick's. It promises never to throw. */
  tick(): void {
    const instance = this.#wake()
    instance.ticking += 1
    instance.account.tick().then(
      () => {
        instance.ticking -= 1
        if (instance.alive) this.alarmIsLost = false
      },
      (error: unknown) => {
        this.#world.broken('tick threw', `${this.name}: ${String(error)}`)
      },
    )
  }

  get #world(): World {
    return this.network.world
  }

  #wake(): Instance {
    if (this.#instance) return this.#instance
    const life: Life = { alive: true }
    const clock = () => {
      this.clockMax = Math.max(this.clockMax, this.now())
      return this.#world.clock(this.skewMs)
    }
    const account = new Account(this.disk.storageOf(life), {
      clock,
      accounts: this.reach.accounts(life),
      books: this.reach.books(life),
      events: this.reach.events(life),
    })
    // The instance is the life: who kills one kills the other.
    this.#instance = Object.assign(life, { account, ticking: 0 })
    // As the guard's constructor does.
    void account.arm()
    return this.#instance
  }

  #jump(): void {
    const { random } = this.#world
    const by = random.pick([-600_000, -5_000, 5_000, 600_000, 7_200_000])
    this.skewMs += by
    this.#world.log(`  clock of ${this.name} jumps by ${by}`)
    this.#scheduleAlarm()
  }

  #scheduleAlarm(): void {
    this.#cancelAlarm?.()
    this.#cancelAlarm = null
    const { alarmAt } = this.disk
    if (alarmAt === null) return
    this.#cancelAlarm = this.#world.after(alarmAt - this.now(), '', () => this.#alarm())
  }

  #alarm(): void {
    const { random } = this.#world
    const { faults } = this.network
    const later = (ms: number) => {
      this.#cancelAlarm = this.#world.after(ms, '', () => this.#alarm())
    }
    // The platform runs one alarm of an object at a time.
    if (this.isTicking) return later(50)
    if (random.chance(faults.alarmLate)) return later(random.between(1_000, 600_000))
    this.disk.alarmAt = null
    if (random.chance(faults.alarmLost)) {
      this.alarmIsLost = true
      return this.#world.log(`alarm of ${this.name} is lost`)
    }
    this.#world.log(`alarm ${this.name}`)
    this.tick()
    if (random.chance(faults.alarmTwice))
      this.#world.after(random.below(2_000), `second alarm ${this.name}`, () => this.tick())
  }
}
