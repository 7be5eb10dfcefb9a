/** What the seven stations say: each component, what it does, where it comes from, which file does it here, and what of a trace it needs. */

const paper = (who, arxiv) => ({ who, url: `https://arxiv.org/abs/${arxiv}` });

export const STATIONS = [
  {
    id: 'words',
    needs: ['tokens'],
    title: 'Your words become tokens',
    component: 'Tokenizer',
    short: 'Tokens',
    says: [
      'A network cannot read letters. The tokenizer cuts your prompt into pieces from a fixed list, its vocabulary, and writes ' +
        'each piece as its number in that list. Common words are one piece; rare ones are put together from several, and ## ' +
        'marks a piece that goes on with the word before it.',
      'It adds a mark at the start and one at the end. What is longer than the text encoder reads is cut off.',
    ],
    try: 'Take a word away, or put another in its place, and the model draws again from the same noise.',
    papers: [paper('WordPiece: Wu et al. 2016', '1609.08144'), paper('Byte pairs: Sennrich et al. 2015', '1508.07909')],
    source: 'worker/text.py',
  },
  {
    id: 'text',
    needs: ['text'],
    title: 'The text encoder gives them meaning',
    component: 'Text encoder (transformer)',
    short: 'Text encoder',
    says: [
      'A transformer turns each token into a long list of numbers, a vector. In every layer each token looks at all others and ' +
        'takes from them what it needs, so “orange” beside “juice” gets another vector than “orange” beside “cat”.',
      'Two vectors are compared by the angle between them: a cosine of 1 is the same direction, 0 has nothing in common. ' +
        'These vectors are all that the image network ever hears of your prompt.',
    ],
    try: 'Let the network hear another sentence from some step on. Early steps decide what is where; late ones only details.',
    papers: [
      paper('Transformer: Vaswani et al. 2017', '1706.03762'),
      paper('MiniLM, in the embedded model: Wang et al. 2020', '2002.10957'),
      paper('CLIP, in Stable Diffusion: Radford et al. 2021', '2103.00020'),
    ],
    source: 'worker/emphasis.py',
  },
  {
    id: 'noise',
    needs: ['latents'],
    title: 'It all starts with noise',
    component: 'Noise and its schedule',
    short: 'Noise',
    says: [
      'The first “picture” is random numbers, and the seed says which: the same seed gives the same noise, and the same picture. ' +
        'The network was trained to find pictures beneath noise of every strength.',
      'The schedule is a staircase from all noise to none. The signal-to-noise ratio says how much picture there is for one part of ' +
        'noise; below 1 there is more noise than picture.',
    ],
    try: 'Draw another seed. The words stay; everything that they leave open falls differently.',
    papers: [
      paper('DDPM: Ho et al. 2020', '2006.11239'),
      paper('DDIM: Song et al. 2020', '2010.02502'),
      paper('Schedules that end in pure noise: Lin et al. 2023', '2305.08891'),
    ],
    source: 'worker/sigmas.py',
  },
  {
    id: 'network',
    needs: ['tokens', 'blocks'],
    title: 'One step of the U-Net, opened',
    component: 'U-Net with cross-attention',
    short: 'U-Net',
    says: [
      'The U-Net looks at the noisy latents and says what in them is noise. On its way down it sees ever coarser maps with ever more ' +
        'channels, so it learns what is where; on its way up it returns to fine maps, and shortcuts bring back the detail.',
      'In between is cross-attention: every place of a map asks all tokens “which of you is about me?” and takes up what these ' +
        'say. The answers add up to 100 % at every place, so they can be drawn: where a word is heard.',
    ],
    try: 'Point at a word to see where it is heard. Then mute it: no block looks at it any more. Its neighbours may still know of it, as the text encoder has read them together.',
    papers: [
      paper('U-Net: Ronneberger et al. 2015', '1505.04597'),
      paper('Cross-attention to text in a U-Net: Rombach et al. 2021', '2112.10752'),
      paper('Maps of words (DAAM): Tang et al. 2022', '2210.04885'),
    ],
    source: 'worker/pipelines/stable_diffusion.py',
  },
  {
    id: 'guidance',
    needs: [],
    title: 'Guidance makes it listen',
    component: 'Classifier-free and classifier guidance',
    short: 'Guidance',
    says: [
      'Each step asks the network twice: once with your words, once without. The difference is what your words change. ' +
        'Guidance takes the answer without words and adds the difference, times a scale: at 1 you have the answer with words, above that ' +
        'more than the words asked for, below 0 the opposite of it.',
      'A classifier can steer too: a small network that looks at the noisy latents and says how much they look like, say, an animal. ' +
        'Each step is nudged to where it would say so more.',
    ],
    try: 'Go to step 0, where only the words say what to draw; late in a run both answers see the thing itself. Then move the scale, or let a classifier nudge.',
    papers: [
      paper('Classifier-free guidance: Ho & Salimans 2022', '2207.12598'),
      paper('Classifier guidance: Dhariwal & Nichol 2021', '2105.05233'),
    ],
    source: 'worker/guidance.py',
  },
  {
    id: 'loop',
    needs: ['latents'],
    title: 'And again, until the noise is gone',
    component: 'Sampler',
    short: 'Loop',
    says: [
      'From what the network says, the sampler estimates the finished latents, and then takes only a small step towards them: at high noise the ' +
        'estimate is a blur, the average of all that could be there. With less noise the next estimate is sharper.',
      'Because a step depends on nothing but its latents, any step can be taken up again with something changed. Before that step ' +
        'both runs are the same to the last bit.',
    ],
    try: 'Walk through the steps, then branch off: go on from a step with other words.',
    papers: [
      paper('DDIM: Song et al. 2020', '2010.02502'),
      paper('Samplers compared: Karras et al. 2022', '2206.00364'),
    ],
    source: 'worker/rules.py',
  },
  {
    id: 'autoencoder',
    needs: ['autoencoder'],
    title: 'From latents to pixels',
    component: 'Autoencoder',
    short: 'Decoder',
    says: [
      'None of this happened in pixels. An autoencoder was trained first: its encoder squeezes a picture into a small stack of maps, the ' +
        'latents, and its decoder makes a picture of them. The U-Net works in the small space, which is why it is fast.',
      'Squeezing loses something. Here your picture went through encoder and decoder once more, and what changed is shown; PSNR measures it ' +
        'in decibels, and above 30 dB the eye hardly finds it.',
    ],
    try: 'Ask for another size: the compression stays, the stack of maps grows with the picture.',
    papers: [
      paper('Variational autoencoders: Kingma & Welling 2013', '1312.6114'),
      paper('Latent diffusion: Rombach et al. 2021', '2112.10752'),
      paper("The embedded model's kind (DC-AE): Chen et al. 2024", '2410.10733'),
    ],
    source: 'worker/autoencoders.py',
  },
];

export const station = (id) => STATIONS.find((one) => one.id === id);
export const numberOf = (id) => STATIONS.findIndex((one) => one.id === id) + 1;
