// Which dialogue lies over which. Mantine lays those of one height in the order in which their components came to be, so one that stands in the frame would
// lie under the page's own, which asked for it.
import { getDefaultZIndex } from '@mantine/core'

const OF_PAGES = Number(getDefaultZIndex('modal'))
/** what a page's dialogue asks the wallet */
export const WALLET_LAYER = OF_PAGES + 1
/** over everything but what is said in the corner */
export const ENDED_LAYER = OF_PAGES + 2
