// Lint for every runtime. Formatting is prettier's; types are tsc's; what stands here are the rules that have cost money elsewhere.
import tseslint from 'typescript-eslint'

export default tseslint.config(
  {
    ignores: [
      'node_modules',
      'dist',
      '.souk',
      '.wrangler',
      'migrations',
      'provider-node/models',
      '**/*.mjs',
      '**/*.js',
    ],
  },
  {
    files: ['**/*.ts', '**/*.tsx'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: {
        project: [
          './tsconfig.wire.json',
          './tsconfig.workers.json',
          './tsconfig.node.json',
          './tsconfig.simulation.json',
          './tsconfig.dashboard.json',
        ],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': [
        'error',
        { checksVoidReturn: { arguments: false, attributes: false } },
      ],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      'no-console': ['error', { allow: ['warn', 'error'] }],
      eqeqeq: 'error',
      'max-lines': ['error', { max: 300 }],
      'max-lines-per-function': ['error', { max: 70, skipComments: true, skipBlankLines: true }],
    },
  },
  {
    // Stories and tables of cases are long; terminals are for printing.
    files: [
      'test/**/*.ts',
      '**/routes.ts',
      '**/*-routes.ts',
      'gateway/local/**',
      'gateway/deploy/**',
      'provider-node/**',
    ],
    rules: { 'max-lines-per-function': 'off' },
  },
  {
    // A component is mostly what it shows.
    files: ['**/*.tsx'],
    rules: { 'max-lines-per-function': ['error', { max: 120, skipComments: true, skipBlankLines: true }] },
  },
  {
    files: ['test/**/*.ts', 'gateway/local/**', 'gateway/deploy/**', 'provider-node/cli.ts', 'provider-node/cli/**'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: { 'max-lines': ['error', { max: 450 }] },
  },
)
