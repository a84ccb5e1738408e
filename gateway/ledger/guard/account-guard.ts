// The Durable Object of one account: storage, alarm and bindings for the ledger in account.ts, which does everything. Its methods are the
// port's, so that they can be called over RPC.
import { DurableObject } from 'cloudflare:workers'
import { systemClock } from '../../core/clock.ts'
import { bookDatabases, type Bindings } from '../../core/env.ts'
import { Account } from './account.ts'
import type { AccountPort } from '../account-port.ts'
import { createAccounts } from '../accounts.ts'
import { createBooks } from '../book/book.ts'
import { createEventBook } from '../events/event-book.ts'
import type { OutboxNeeds } from './outbox.ts'

export class AccountGuard extends DurableObject<Bindings> implements AccountPort {
  readonly account: Account

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env)
    this.account = new Account(ctx.storage, {
      clock: systemClock,
      accounts: createAccounts(env.ACCOUNT),
      books: createBooks(bookDatabases(env)),
      events: createEventBook(env.DB),
    })
    void ctx.blockConcurrencyWhile(() => this.account.arm())
  }

  /** The runtime constructs guards with `env` alone; tests put their clock, payees and book here. */
  get needs(): OutboxNeeds {
    return this.account.needs
  }
  set needs(needs: OutboxNeeds) {
    this.account.needs = needs
  }

  override alarm() {
    return this.account.tick()
  }

  open(...args: Parameters<AccountPort['open']>) {
    return this.account.open(...args)
  }
  hold(...args: Parameters<AccountPort['hold']>) {
    return this.account.hold(...args)
  }
  progress(...args: Parameters<AccountPort['progress']>) {
    return this.account.progress(...args)
  }
  capture(...args: Parameters<AccountPort['capture']>) {
    return this.account.capture(...args)
  }
  recall(...args: Parameters<AccountPort['recall']>) {
    return this.account.recall(...args)
  }
  begin(...args: Parameters<AccountPort['begin']>) {
    return this.account.begin(...args)
  }
  answered(...args: Parameters<AccountPort['answered']>) {
    return this.account.answered(...args)
  }
  grant(...args: Parameters<AccountPort['grant']>) {
    return this.account.grant(...args)
  }
  refund(...args: Parameters<AccountPort['refund']>) {
    return this.account.refund(...args)
  }
  takeBack(...args: Parameters<AccountPort['takeBack']>) {
    return this.account.takeBack(...args)
  }
  reinstate(...args: Parameters<AccountPort['reinstate']>) {
    return this.account.reinstate(...args)
  }
  withdraw(...args: Parameters<AccountPort['withdraw']>) {
    return this.account.withdraw(...args)
  }
  returnWithdrawal(...args: Parameters<AccountPort['returnWithdrawal']>) {
    return this.account.returnWithdrawal(...args)
  }
  payAudit(...args: Parameters<AccountPort['payAudit']>) {
    return this.account.payAudit(...args)
  }
  money(...args: Parameters<AccountPort['money']>) {
    return this.account.money(...args)
  }
  credit(...args: Parameters<AccountPort['credit']>) {
    return this.account.credit(...args)
  }
  freeze(...args: Parameters<AccountPort['freeze']>) {
    return this.account.freeze(...args)
  }
  unfreeze(...args: Parameters<AccountPort['unfreeze']>) {
    return this.account.unfreeze(...args)
  }
  frozen(...args: Parameters<AccountPort['frozen']>) {
    return this.account.frozen(...args)
  }
  createKey(...args: Parameters<AccountPort['createKey']>) {
    return this.account.createKey(...args)
  }
  listKeys(...args: Parameters<AccountPort['listKeys']>) {
    return this.account.listKeys(...args)
  }
  showKey(...args: Parameters<AccountPort['showKey']>) {
    return this.account.showKey(...args)
  }
  revokeKey(...args: Parameters<AccountPort['revokeKey']>) {
    return this.account.revokeKey(...args)
  }
  revokeAllKeys(...args: Parameters<AccountPort['revokeAllKeys']>) {
    return this.account.revokeAllKeys(...args)
  }
  rerollKey(...args: Parameters<AccountPort['rerollKey']>) {
    return this.account.rerollKey(...args)
  }
  inspectKey(...args: Parameters<AccountPort['inspectKey']>) {
    return this.account.inspectKey(...args)
  }
  setLimits(...args: Parameters<AccountPort['setLimits']>) {
    return this.account.setLimits(...args)
  }
  limits(...args: Parameters<AccountPort['limits']>) {
    return this.account.limits(...args)
  }
  balance(...args: Parameters<AccountPort['balance']>) {
    return this.account.balance(...args)
  }
  alerts(...args: Parameters<AccountPort['alerts']>) {
    return this.account.alerts(...args)
  }
  setAlerts(...args: Parameters<AccountPort['setAlerts']>) {
    return this.account.setAlerts(...args)
  }
  policy(...args: Parameters<AccountPort['policy']>) {
    return this.account.policy(...args)
  }
  setPolicy(...args: Parameters<AccountPort['setPolicy']>) {
    return this.account.setPolicy(...args)
  }
  call(...args: Parameters<AccountPort['call']>) {
    return this.account.call(...args)
  }
  lateReceipt(...args: Parameters<AccountPort['lateReceipt']>) {
    return this.account.lateReceipt(...args)
  }
  head(...args: Parameters<AccountPort['head']>) {
    return this.account.head(...args)
  }
  lines(...args: Parameters<AccountPort['lines']>) {
    return this.account.lines(...args)
  }
  journal(...args: Parameters<AccountPort['journal']>) {
    return this.account.journal(...args)
  }
  selfCheck(...args: Parameters<AccountPort['selfCheck']>) {
    return this.account.selfCheck(...args)
  }
  reproject(...args: Parameters<AccountPort['reproject']>) {
    return this.account.reproject(...args)
  }
  tick(...args: Parameters<AccountPort['tick']>) {
    return this.account.tick(...args)
  }
}
