// What ends souk-verify before it can say whether a journal is right: a wrong option, a file that is not there. Exit code 2.

export class CannotRead extends Error {
  override readonly name = 'CannotRead'
}
