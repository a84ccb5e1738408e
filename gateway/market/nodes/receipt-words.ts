// What is said to an operator about its node's receipts (rule): each sentence ends in what to do. The node's program and its page in the dashboard show these
// same ones, so that they agree.
import type { ReceiptsView } from '../../../protocol/operator.ts'

type Counted = Omit<ReceiptsView, 'words'>

/** Empty when every call has its receipt and none was refused. */
export function receiptWords({ calls, owed, late, refused }: Counted): string[] {
  const newest = calls === 1 ? 'its newest call' : `its newest ${calls} calls`
  return [
    ...(owed === 0
      ? []
      : [
          `Of ${newest} ${owed} ${owed === 1 ? 'has' : 'have'} no receipt yet, so who paid cannot prove what was answered: keep the node running, it hands in by itself what waits on its machine (souk-node status counts that).`,
        ]),
    ...(late === 0
      ? []
      : [
          `Of ${newest} ${late} got ${late === 1 ? 'its' : 'their'} receipt after the answer, as happens when a caller hangs up or the disk is slow: nothing to do.`,
        ]),
    ...refused.map(
      ({ code, count }) => `${count === 1 ? 'One receipt was' : `${count} receipts were`} refused ${WHY[code]}`,
    ),
  ]
}

const WHY: Readonly<Record<Counted['refused'][number]['code'], string>> = {
  bad_receipt:
    'because the key that was asked had not signed: see that one program alone runs with this key (souk-node doctor).',
  not_for_ticket:
    'because the order that came along was for another answer: update the program, and write to the house when that does not end it.',
}
