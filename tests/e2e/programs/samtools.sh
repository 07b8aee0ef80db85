#!/bin/bash
# samtools, bcftools, bgzip and tabix: sort with temporary files, index, view by region, merge, faidx, vcf to bcf
# packages: samtools bcftools tabix
# differs: *.bam *.bai *.bcf *.csi *.cram *.crai
{ echo '>chr1'; awk 'BEGIN { srand(1); for (i = 0; i < 2000; i++) { for (j = 0; j < 60; j++) printf "%s", substr("ACGT", int(i * 7 + j * j) % 4 + 1, 1); print "" } }'; } >ref.fa
samtools faidx ref.fa && cat ref.fa.fai && samtools faidx ref.fa chr1:101-130
{ printf '@HD\tVN:1.6\tSO:unsorted\n@SQ\tSN:chr1\tLN:120000\n'; awk 'BEGIN { for (i = 0; i < 20000; i++) printf "r%d\t0\tchr1\t%d\t60\t10M\t*\t0\t0\tACGTACGTAC\tIIIIIIIIII\n", i, (i * 7919) % 119000 + 1 }'; } >in.sam
samtools sort -m 1M -@ 2 -T "$W/tmp" -o s.bam in.sam && samtools index s.bam && samtools view -c s.bam chr1:1000-2000 && samtools quickcheck s.bam && samtools flagstat s.bam | head -n1; samtools view s.bam | sha256sum; ls
samtools view -b -o part.bam s.bam chr1:1-5000 && samtools merge -f m.bam s.bam part.bam && samtools view -c m.bam && samtools depth s.bam | tail -n1; samtools view -C -T ref.fa -o s.cram s.bam && samtools index s.cram && samtools view -c -T ref.fa s.cram chr1:1-1000; samtools idxstats s.bam | head -n1
{ printf '##fileformat=VCFv4.2\n##contig=<ID=chr1,length=120000>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n'; seq 1 50 100000 | awk '{ print "chr1\t" $1 "\t.\tA\tC\t50\tPASS\t." }'; } >v.vcf
bgzip -k v.vcf && tabix -p vcf v.vcf.gz && tabix v.vcf.gz chr1:1000-1200 | cut -f2; bcftools view -Ob -o v.bcf v.vcf.gz && bcftools index v.bcf && bcftools view -H -r chr1:5000-5200 v.bcf | cut -f2; bcftools sort -T ./bt -Oz -o sorted.vcf.gz v.vcf 2>/dev/null; bcftools query -f '%POS\n' sorted.vcf.gz | wc -l; rm sorted.vcf.gz v.vcf.gz v.vcf.gz.tbi in.sam
