// A vocabulary as rules see it: which bytes a token stands for, and which tokens stand for none because they end an answer.

export interface TokenTable {
  /** tokens are 0 … size − 1; a graph may give logits for more, which are never drawn */
  readonly size: number
  /** UTF-8 bytes a token stands for, often not whole characters; empty for special tokens */
  bytes(token: number): Uint8Array
  /** special tokens: each of them ends an answer */
  readonly specials: ReadonlySet<number>
}
